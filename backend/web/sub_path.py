"""The service under a sub-path of another server, such as PUBLIC_URL=https://lab.example.org/next:
links keep it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment


class SubPath:
    """Middleware for proxies that pass the sub-path on, and for those that take it off and pass the Host
    header on."""

    def __init__(self, application: WSGIApplication, public_url: str | None) -> None:
        parts = urlsplit(public_url or "")
        self._application, self._server, self._prefix = (
            application,
            parts.netloc.lower(),
            parts.path.rstrip("/"),
        )

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer a request."""
        path = str(environ.get("PATH_INFO", ""))
        if self._prefix:
            if path == self._prefix or path.startswith(f"{self._prefix}/"):
                environ["PATH_INFO"] = path.removeprefix(self._prefix) or "/"
                environ["SCRIPT_NAME"] = self._prefix
            elif str(environ.get("HTTP_HOST", "")).lower() == self._server:
                environ["SCRIPT_NAME"] = self._prefix
        return self._application(environ, start_response)
