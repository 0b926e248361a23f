"""Tests of personal access tokens, against a server that decides when the tokens they are exchanged for
end."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import jwt
import pytest

from backend.errors import ApiKeyError, LabelStudioError
from backend.labelstudio.client import LabelStudio

PAGE = 203
"""A page for people, from a proxy whose server is away."""


def token(name: str) -> str:
    """One that this machine believes for five minutes."""
    return jwt.encode({"exp": time.time() + 300, "name": name}, "k" * 32)


@dataclass
class Tokens:
    """Accepts the access token that it gave last, unless it has ended."""

    exchange: list[int] = field(default_factory=lambda: [200])  # statuses, the last one for ever
    given: int = 0
    valid: str = ""
    seen: list[str] = field(default_factory=list)  # paths asked for, without query

    def end_all(self) -> None:
        self.valid = ""
        self.seen.clear()


@pytest.fixture
def tokens() -> Tokens:
    return Tokens()


@pytest.fixture
def client(tokens: Tokens) -> Iterator[LabelStudio]:
    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            path = self.path.split("?")[0]
            tokens.seen.append(path)
            if path == "/api/token/refresh/":
                status = tokens.exchange.pop(0) if len(tokens.exchange) > 1 else tokens.exchange[0]
                if status == 200:
                    tokens.given += 1
                    tokens.valid = token(f"access {tokens.given}")
                return self.send(status, {"access": tokens.valid})
            if self.headers.get("Authorization") != f"Bearer {tokens.valid}":
                return self.send(401, {"detail": "Given token not valid for any token type"})
            return self.send(200, {"id": 1, "email": "a@example.org", "columns": [{}]})

        do_GET = do_POST = answer

        def send(self, status: int, body: object) -> None:
            content = b"<html>Back in a minute" if status == PAGE else json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "text/html" if status == PAGE else "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Silence."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    made = LabelStudio(f"http://127.0.0.1:{server.server_port}", token("personal"), attempts=3, timeout=5)
    yield made
    made.close()
    server.shutdown()
    server.server_close()


def test_a_token_that_ended_before_this_machine_thinks_so_is_replaced(
    client: LabelStudio, tokens: Tokens
) -> None:
    """For what the SDK asks, for what it does not, and for images."""
    for ask in (client.user, lambda: client.columns(1), lambda: client.download("/data/upload/1/a.png")):
        ask()
        tokens.end_all()
        assert ask()
        assert tokens.seen.count("/api/token/refresh/") == 1


def test_a_token_that_is_refused_anew_is_told(client: LabelStudio, tokens: Tokens) -> None:
    client.user()
    tokens.end_all()
    tokens.exchange = [401]
    with pytest.raises(ApiKeyError, match="copy the key again"):
        client.user()


def test_an_exchange_that_is_busy_is_waited_for(client: LabelStudio, tokens: Tokens) -> None:
    """It changes nothing, and says nothing about the key: who waits for a busy server goes on waiting."""
    tokens.exchange = [503, PAGE, 200]
    assert client.user()["id"] == 1
    for status in (503, PAGE, 500):
        tokens.exchange = [status]
        impatient = LabelStudio(client.url, token("personal"), attempts=1)
        for ask in (impatient.user, impatient.access_token):
            with pytest.raises(LabelStudioError) as caught:
                ask()
            assert caught.value.passing
            assert not isinstance(caught.value, ApiKeyError)
