"""Which of a project's connections and webhooks lead to this service, under whatever name it was
connected."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import httpx

from backend.labelstudio.connect.project_credentials import BasicAuth, connection_login, webhook_headers
from backend.labelstudio.http.answers import MlBackend
from backend.labelstudio.http.probe import is_loopback

BACKEND_TITLE = "Which image next?"
"""Title of a connection that connecting makes; the status page is called so, too."""
OWN_TITLES = (BACKEND_TITLE, "Task-dependent active learning")
"""That one, and what earlier editions wrote."""
HOOK = "/webhook"
"""Where Label Studio tells a backend of labels, below the backend's address."""
INSTANCE_HEADER = "Service-Instance"
"""Header of /health that tells one service of this kind from another."""
_ASK_SECONDS = 2.0
_REMEMBERED_SECONDS = 600.0
_PORTS = {"http": 80, "https": 443}
_answers: dict[tuple[str, str], tuple[float, bool]] = {}
"""(address, instance) to when it was asked, and whether it is ours; of this process."""


@dataclass(frozen=True)
class OwnService:
    """This service as Label Studio and browsers reach it."""

    url: str
    """Address that Label Studio is given, without a slash at its end."""
    basic_auth: BasicAuth | None = None
    pages: str = ""
    """Address at which browsers reach the status pages; "" if it is not known."""
    names: tuple[str, ...] = ()
    """Other addresses of it that the settings tell."""
    instance: str = ""
    """What its /health tells, by which it is known under any name; "" if that is not known here."""

    def hook_headers(self, project_id: int) -> dict[str, str]:
        """What a project's webhook must send;
        every member of the organization can read it in Label Studio."""
        return webhook_headers(self.basic_auth, project_id)

    def login(self, project_id: int) -> BasicAuth | None:
        """User and password of a project's connection."""
        return None if self.basic_auth is None else connection_login(self.basic_auth, project_id)

    def is_at(self, url: object) -> bool:
        """Whether an address leads to this service:
        one of its names, or an address whose /health tells that it is this one."""
        text = str(url or "")
        if normalise(text) in {normalise(name) for name in (self.url, *self.names) if name}:
            return True
        return bool(self.instance) and self._is_told(text)

    def is_hook(self, hook: Mapping[str, Any]) -> bool:
        """Whether a webhook tells this service of labels."""
        base, found, end = str(hook.get("url") or "").rstrip("/").rpartition(HOOK)
        return bool(found) and not end and self.is_at(base)

    def of_these(self, backends: Sequence[MlBackend]) -> list[MlBackend]:
        """Those of a project's connections that lead here; the one in use first:
        with extra params, made by a person, the oldest."""

        def rank(item: Mapping[str, Any]) -> tuple[bool, bool, bool, int]:
            elsewhere = normalise(str(item.get("url"))) != normalise(self.url)
            return (
                not item.get("extra_params"),
                item.get("title") in OWN_TITLES,
                elsewhere,
                int(item.get("id") or 0),
            )

        return sorted((item for item in backends if self.is_at(item.get("url"))), key=rank)

    def _is_told(self, url: str) -> bool:
        key = (normalise(url), self.instance)
        asked, ours = _answers.get(key, (float("-inf"), False))
        if time.monotonic() - asked > _REMEMBERED_SECONDS:
            ours = _ask(url) == self.instance
            _answers[key] = (time.monotonic(), ours)
        return ours


def normalise(url: str) -> str:
    """An address in one spelling: case, slash at the end, default port, user and password;
    all names of this machine's loopback are one."""
    try:
        parts = urlsplit(url.strip())
        scheme, host, port = parts.scheme.lower(), (parts.hostname or "").rstrip("."), parts.port
    except ValueError:
        return url.strip()
    name = "localhost" if is_loopback(host) else host
    return f"{scheme}://{name}:{port or _PORTS.get(scheme, '')}{parts.path.rstrip('/')}"


def _ask(url: str) -> str:
    """What the /health of an address tells of its service, asked without any password; "" if nothing."""
    try:
        answer = httpx.get(
            f"{url.rstrip('/')}/health", timeout=_ASK_SECONDS, follow_redirects=False, trust_env=False
        )
        return answer.headers.get(INSTANCE_HEADER, "") if answer.is_success else ""
    except (httpx.HTTPError, httpx.InvalidURL):
        return ""
