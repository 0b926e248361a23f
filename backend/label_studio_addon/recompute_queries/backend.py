"""Calls to the ML backends that are connected to a project, with the address and the password that Label
Studio holds for each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from requests import RequestException
from rest_framework.exceptions import APIException

CONNECT_SECONDS = 1.0
"""Label Studio's own limit; it tries three times."""


@dataclass(frozen=True)
class Answer:
    """What a backend answered; `status` is 0 if it did not, and `problem` says why."""

    url: str
    status: int = 0
    content: dict[str, Any] = field(default_factory=dict)
    problem: str = ""

    @property
    def ours(self) -> bool:
        """Whether the backend knows recomputes: its errors carry a message."""
        return self.status in range(200, 300) or "message" in self.content


def ask(
    project: Any, method: str, path: str, *, seconds: float, body: Mapping[str, object] | None = None
) -> Answer | None:
    """The answer of the first backend that knows `path`; if none does, that of the first of all.
    None without a backend."""
    first = None
    for backend in project.ml_backends.order_by("id"):
        answer = _call(backend, method, path, seconds, body)
        if answer.ours:
            return answer
        first = first or answer
    return first


def _call(backend: Any, method: str, path: str, seconds: float, body: Mapping[str, object] | None) -> Answer:
    url = backend.url.rstrip("/")
    try:
        response = backend.api.request(method, f"{url}/{path}", json=body, timeout=(CONNECT_SECONDS, seconds))
    except (RequestException, APIException) as error:  # the second: an address that Label Studio may not ask
        return Answer(url, problem=f"{type(error).__name__}: {error}")
    try:
        content = response.json()
    except ValueError:
        content = {}
    return Answer(url, response.status_code, content if isinstance(content, dict) else {})
