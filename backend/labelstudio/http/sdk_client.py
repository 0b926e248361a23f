"""Requests that the SDK makes to one Label Studio, and what becomes of its answers and errors."""

from __future__ import annotations

from collections.abc import Callable, Collection
from importlib import import_module
from typing import Any, TypeVar
from urllib.parse import urlsplit

import httpx
from label_studio_sdk.base_client import LabelStudioBase as SDK  # the whole package loads pandas and boto3
from label_studio_sdk.core.api_error import ApiError
from label_studio_sdk.core.http_response import HttpResponse
from label_studio_sdk.core.parse_error import ParsingError

from backend.errors import ApiKeyError, LabelStudioError, UnknownProjectError
from backend.labelstudio.http.image_requests import ImageRequests
from backend.labelstudio.http.keyed_client import CONNECT_SECONDS, KeyedClient
from backend.labelstudio.http.own_requests import OwnRequests, read_json
from backend.labelstudio.http.probe import require_final
from backend.labelstudio.http.refusals import (
    KEY_PAGE,
    key_error,
    no_json,
    other_form,
    unknown_project,
    unreachable,
)
from backend.labelstudio.http.retries import send_patiently
from backend.proxy import open_client
from backend.stopping import wait_for

TIMEOUT = 60.0
"""Seconds to wait for an answer."""
ATTEMPTS = 4
"""Tries per request while the server is away or overloaded, over about 4 seconds."""

PARTS = (
    "actions",
    "annotations",
    "ml",
    "organizations",
    "predictions",
    "projects",
    "tasks",
    "users",
    "views",
    "webhooks",
)
"""Of the SDK, each of which it loads when it is first used."""

T = TypeVar("T")
_MISFITS = (ParsingError, ValueError, TypeError, KeyError, AttributeError, RecursionError)
"""What the SDK raises for JSON that its models do not expect."""


def load_sdk() -> None:
    """Load what requests need of the SDK, for a process that forks for each job: a fifth of a second each."""
    for part in PARTS:
        import_module(f"label_studio_sdk.{part}.client")


class SdkClient:
    """One server seen with one user's key; safe to share between threads."""

    def __init__(
        self,
        url: str,
        api_key: str,
        *,
        timeout: float = TIMEOUT,
        attempts: int = ATTEMPTS,
        public_url: str | None = None,
        image_hosts: Collection[str] | None = None,
    ) -> None:
        """`timeout` in seconds per request; `attempts` per request while the server is away or overloaded.
        Makes no request. Raises LabelStudioError, ApiKeyError.

        `public_url` is the address of browsers: images under it are asked for at `url`, with the key.
        `image_hosts` are servers in private networks that may be asked for images beside public ones; None:
        all of them.
        """
        self.url = _address(url)
        key = _key(api_key, self.url)
        self._attempts = attempts
        seconds = httpx.Timeout(timeout, connect=CONNECT_SECONDS)
        self._plain = open_client(timeout=seconds, limits=httpx.Limits(keepalive_expiry=4.0))
        self._keyed = KeyedClient(self.url, key, timeout=seconds, attempts=attempts, plain=self._plain)
        try:
            # With the slash: the SDK exchanges a personal token beside the last part of the address, which
            # would be another application. Without its own retries: they repeat a POST that may have arrived.
            self._sdk = SDK(base_url=f"{self.url}/", api_key=key, httpx_client=self._keyed, max_retries=0)
        except ApiError as error:  # a personal access token that has expired
            raise key_error(error.body, self.url, personal=self._keyed.key.personal) from error
        self._own = OwnRequests(self.url, self._keyed, self._plain, attempts=attempts)
        self._images = ImageRequests(
            self.url,
            self._own,
            self._keyed.key,
            timeout=seconds,
            attempts=attempts,
            public_url=public_url,
            image_hosts=image_hosts,
        )

    def require_final(self) -> None:
        """Raise RedirectedError where LABEL_STUDIO_URL leads elsewhere, as http to https;
        asked without the key."""
        try:
            wait_for(
                lambda: send_patiently(
                    lambda: require_final(self._plain, self.url),
                    attempts=self._attempts,
                    repeatable=True,
                    is_busy=lambda _: False,
                )
            )
        except httpx.TransportError as error:
            raise unreachable(self.url, error) from error

    def close(self) -> None:
        """Close the connections."""
        self._keyed.close()
        self._plain.close()
        self._images.close()

    def _call(self, call: Callable[[], T]) -> T:
        """What a method of the SDK returns. Raises LabelStudioError and its kinds.

        Refusals are raised by the client under the SDK; what the SDK itself raises is about an answer that it
        cannot read.
        """
        try:
            return wait_for(call)
        except ApiError as error:
            raise no_json(f"Label Studio at {self.url}", str(error.body)[:80]) from error
        except _MISFITS as error:
            raise LabelStudioError(
                f"Label Studio at {self.url} answered something that label-studio-sdk cannot read"
                f" ({type(error).__name__}); check Label Studio's version: `python -m backend doctor`."
            ) from error

    def _dict(self, call: Callable[[], HttpResponse[Any]]) -> Any:
        """The object that Label Studio answered to a method of the SDK, exactly as it was sent: what is
        written back must not have lost or gained anything in a model of another version."""
        answer = self._call(call).response
        found = read_json(answer)
        if not isinstance(found, dict):
            raise other_form(answer.request, found, "an object")
        return found

    def _list(self, call: Callable[[], HttpResponse[Any]]) -> list[Any]:
        """As `_dict`, for a list."""
        answer = self._call(call).response
        found = read_json(answer)
        if isinstance(found, dict) and isinstance(found.get("results"), list):
            found = found["results"]
        if not isinstance(found, list):
            raise other_form(answer.request, found, "a list")
        return found

    def _find(self, call: Callable[[], HttpResponse[Any]]) -> Any:
        """As `_dict`, None where there is no such thing."""
        return self._found(lambda: self._dict(call))

    def _delete(self, call: Callable[[], HttpResponse[Any]]) -> bool:
        """Whether it was there."""
        return self._found(lambda: self._call(call)) is not None

    def _found(self, call: Callable[[], T]) -> T | None:
        """What `call` returns, None where Label Studio has no such thing (404)."""
        try:
            return call()
        except LabelStudioError as error:
            if error.status != 404:
                raise
            return None

    def _unknown(self, project_id: int) -> UnknownProjectError:
        return unknown_project(project_id, self.url)


def _address(url: str) -> str:
    address = url.strip().rstrip("/")
    parts = urlsplit(address)
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise LabelStudioError(
            f"LABEL_STUDIO_URL is {url!r}, expected an address such as http://localhost:8080."
        )
    return address


def _key(text: str, url: str) -> str:
    key = text.strip()
    if not key or not key.isascii():
        found = "not a key" if key else "empty"
        raise ApiKeyError(
            f"LABEL_STUDIO_API_KEY is {found}, expected a key of {url}; copy it from {KEY_PAGE}."
        )
    return key
