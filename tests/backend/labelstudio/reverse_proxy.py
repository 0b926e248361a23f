"""A reverse proxy as labs put before Label Studio:
under a sub-path, beside another application, which notes the keys that it gets."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import httpx

PREFIX = "/ls"


@dataclass
class ReverseProxy:
    """`/ls/...` is Label Studio's; all other paths are another application's."""

    target: str = ""
    port: int = 0
    strangers: list[str] = field(default_factory=list)  # paths asked of the other application
    leaks: list[str] = field(
        default_factory=list
    )  # those of them that came with a key or cookie, or with a token in the body
    redirects: dict[str, str] = field(default_factory=dict)  # path to where it leads, on either side

    @property
    def root(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        """Label Studio's address."""
        return f"{self.root}{PREFIX}"


@contextmanager
def reverse_proxy() -> Iterator[ReverseProxy]:
    """Start one; set its `target` before it is asked."""
    proxy = ReverseProxy()

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if not re.match(rf"{PREFIX}(/|\?|$)", self.path):
                proxy.strangers.append(self.path)
                if self.headers.get("Authorization") or self.headers.get("Cookie") or b"refresh" in body:
                    proxy.leaks.append(f"{self.command} {self.path}")
            if self.path in proxy.redirects:
                return self.send(302, {"Location": proxy.redirects[self.path]}, b"")
            if not re.match(rf"{PREFIX}(/|\?|$)", self.path):
                return self.send(
                    200, {"Content-Type": "text/html"}, b"<!DOCTYPE html><title>Another application</title>"
                )
            headers = {
                name: value
                for name, value in self.headers.items()
                if name.lower() not in ("host", "content-length", "connection")
            }
            url = proxy.target + self.path.removeprefix(PREFIX)
            told = httpx.request(self.command, url, headers=headers, content=body, timeout=60)
            kept = {
                name: value
                for name, value in told.headers.items()
                if name in ("content-type", "location", "set-cookie")
            }
            self.send(told.status_code, kept, told.content)

        def send(self, status: int, headers: dict[str, str], body: bytes) -> None:
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_PATCH = do_DELETE = answer

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        proxy.port = server.server_port
        Thread(target=server.serve_forever, daemon=True).start()
        yield proxy
        server.shutdown()
