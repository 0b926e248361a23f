"""A proxy that does to requests what networks do:
delays, drips, pages in place of answers, cut connections, servers that are away."""

from __future__ import annotations

import re
import socket
import struct
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from enum import StrEnum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx

LONGEST = 120.0
"""Seconds after which any fault ends, so that no test hangs."""


class Kind(StrEnum):
    """What becomes of a request."""

    SILENCE = "silence"  # it is taken, and nothing comes
    DRIP = "drip"  # the answer, a byte each tenth of a second
    DRIPPING_HEADERS = "dripping headers"  # header lines without an end
    DELAY = "delay"  # the answer, late
    PAGE = "page"  # HTML with status 200, as a proxy answers for a server that is away
    RESET = "reset"  # the connection is cut before anything comes
    TRUNCATED = "truncated"  # and in the midst of the answer
    STATUS = "status"  # an error, with a line that says so


@dataclass
class Fault:
    """What is done to requests whose path with its query holds `path`, a pattern:
    to the next `times` of them, None: to all."""

    kind: Kind
    path: str = ""
    times: int | None = None
    seconds: float = 1.0
    status: int = 503

    def takes(self, path: str) -> bool:
        return self.times != 0 and re.search(self.path, path) is not None


@dataclass
class FaultyProxy:
    """In front of one server;
    faults may be added and cleared while it runs, and `heal` ends those under way as well."""

    target: str
    port: int = 0
    faults: list[Fault] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    """Method and path of each request, faulty or not."""
    _healed: threading.Event = field(default_factory=threading.Event)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def add(self, kind: Kind, path: str = "", **options: float | int) -> None:
        self._healed.clear()
        self.faults.append(Fault(kind, path, **options))  # type: ignore[arg-type]

    def heal(self) -> None:
        self.faults.clear()
        self._healed.set()

    def count(self, path: str) -> int:
        """How many requests came whose path holds a pattern."""
        return sum(re.search(path, each) is not None for each in self.asked)

    def find_fault(self, path: str) -> Fault | None:
        with self._lock:
            found = next((fault for fault in self.faults if fault.takes(path)), None)
            if found is not None and found.times is not None:
                found.times -= 1
            return found

    def pause(self, seconds: float) -> bool:
        """Whether to go on."""
        return not self._healed.wait(seconds)


@contextmanager
def faulty_proxy(target: str) -> Iterator[FaultyProxy]:
    """A proxy for the server at an address, on a port of 127.0.0.1."""
    proxy = FaultyProxy(target.rstrip("/"))

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            proxy.asked.append(f"{self.command} {self.path}")
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            with suppress(OSError):  # the client has given up
                fault = proxy.find_fault(self.path)
                if fault is None:
                    self._send(*self._forward(body))
                else:
                    self._spoil(fault, body)

        def _forward(self, body: bytes) -> tuple[int, Mapping[str, str], bytes]:
            drop = ("host", "content-length", "connection", "accept-encoding")
            keep = ("content-type", "location", "set-cookie")
            headers = {name: value for name, value in self.headers.items() if name.lower() not in drop}
            with httpx.Client(trust_env=False, timeout=LONGEST) as client:
                told = client.request(self.command, proxy.target + self.path, headers=headers, content=body)
            kept = {name: value for name, value in told.headers.items() if name in keep}
            return told.status_code, kept, told.content

        def _spoil(self, fault: Fault, body: bytes) -> None:
            if fault.kind is Kind.SILENCE:
                proxy.pause(LONGEST)
            elif fault.kind is Kind.DRIPPING_HEADERS:
                self.wfile.write(b"HTTP/1.1 200 OK\r\n")
                for _ in range(int(LONGEST * 10)):
                    self.wfile.write(b"X-Slow: 1\r\n")
                    if not proxy.pause(0.1):
                        return
            elif fault.kind is Kind.PAGE:
                self._send(200, {"Content-Type": "text/html; charset=utf-8"}, b"<html><body>Back in a minute")
            elif fault.kind is Kind.STATUS:
                self._send(
                    fault.status, {"Content-Type": "application/json"}, b'{"detail": "database is locked"}'
                )
            elif fault.kind is Kind.RESET:
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            elif fault.kind is Kind.DELAY:
                proxy.pause(min(LONGEST, fault.seconds))
                self._send(*self._forward(body))
            else:
                status, headers, content = self._forward(body)
                self._head(status, {**headers, "Content-Length": str(len(content))})
                if fault.kind is Kind.TRUNCATED:
                    self.wfile.write(content[: len(content) // 2])
                    return
                for place in range(min(len(content), int(LONGEST * 10))):
                    self.wfile.write(content[place : place + 1])
                    if not proxy.pause(0.1):
                        return

        def _send(self, status: int, headers: Mapping[str, str], content: bytes) -> None:
            self._head(status, headers if status == 204 else {**headers, "Content-Length": str(len(content))})
            self.wfile.write(content)

        def _head(self, status: int, headers: Mapping[str, str]) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()

        do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = answer

        def log_message(self, *_: object) -> None:
            """Silence."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        server.block_on_close = False
        proxy.port = server.server_port
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield proxy
        proxy.heal()
        server.shutdown()
