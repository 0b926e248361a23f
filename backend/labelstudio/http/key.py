"""The header of the key where the SDK does not make it: a legacy token, or a personal access token that has
been exchanged for an access token of a few minutes."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator
from typing import Any

import httpx
import jwt

EARLY_SECONDS = 10.0
"""An access token is exchanged again so long before its end: a request is under way for a while."""


class Key(httpx.Auth):
    """Sends the key along. Safe to share between threads."""

    def __init__(self, text: str, exchange: Callable[[str], str], check: Callable[[], None]) -> None:
        """`exchange` asks Label Studio for the access token of a personal one; `check` is called before the
        key is sent, and raises where it must not be."""
        self.personal = _claims(text) is not None
        self._text, self._exchange, self._check = text, exchange, check
        self._access, self._until = "", 0.0
        self._lock = threading.Lock()

    def token(self, *, refresh: bool = False) -> str:
        """What is sent: the legacy token itself, or an access token that has not ended.
        Raises LabelStudioError and its kinds."""
        if not self.personal:
            return self._text
        with self._lock:
            if refresh or time.time() > self._until - EARLY_SECONDS:
                self._access = self._exchange(self._text)
                self._until = float((_claims(self._access) or {}).get("exp", 0.0))
            return self._access

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Add the header where the SDK has not. An access token that Label Studio says has ended is replaced,
        once: it may have ended on the way, and the time of this machine need not be Label Studio's."""
        self._check()
        if "Authorization" not in request.headers:
            request.headers["Authorization"] = self._header()
        answer = yield request
        if answer.status_code == 401 and self.personal:
            request.headers["Authorization"] = self._header(refresh=True)
            yield request

    def _header(self, *, refresh: bool = False) -> str:
        return f"{'Bearer' if self.personal else 'Token'} {self.token(refresh=refresh)}"


def _claims(token: str) -> dict[str, Any] | None:
    """What a JSON web token says, such as its end; None for a legacy token."""
    try:
        return dict(jwt.decode(token, options={"verify_signature": False}))
    except jwt.InvalidTokenError:
        return None
