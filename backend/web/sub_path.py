"""The service under a sub-path of another server, such as PUBLIC_URL=https://lab.example.org/next:
links keep it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import urlsplit

Application = Callable[[dict[str, Any], Any], Iterable[bytes]]


class SubPath:
    """Middleware for proxies that pass the sub-path on, and for those that take it off and pass the Host
    header on."""

    def __init__(self, application: Application, public_url: str | None) -> None:
        parts = urlsplit(public_url or "")
        self._application, self._server, self._prefix = (
            application,
            parts.netloc.lower(),
            parts.path.rstrip("/"),
        )

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        """Answer a request."""
        path = str(environ.get("PATH_INFO", ""))
        if self._prefix:
            if path == self._prefix or path.startswith(f"{self._prefix}/"):
                environ["PATH_INFO"] = path.removeprefix(self._prefix) or "/"
                environ["SCRIPT_NAME"] = self._prefix
            elif str(environ.get("HTTP_HOST", "")).lower() == self._server:
                environ["SCRIPT_NAME"] = self._prefix
        return self._application(environ, start_response)
