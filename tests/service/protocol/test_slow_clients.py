"""Clients that send slowly, or hold connections, keep nobody waiting."""

from __future__ import annotations

import base64
import contextlib
import socket
import time
from typing import Any

import httpx
import pytest
from waitress.adjustments import Adjustments
from waitress.parser import HTTPRequestParser

from backend.web import gunicorn_worker
from backend.web.gunicorn_worker import HEAD_SECONDS, REQUEST_SECONDS, Channel, Parser, Server
from tests.service.conftest import AUTH, Web

HEAD = b"POST /webhook HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 10000\r\n"


def quickest_health(web: Web) -> float:
    """Seconds to an answer: the best of several tries, whatever the machine does beside it."""
    seconds = []
    for _ in range(5):
        started = time.perf_counter()
        assert httpx.get(f"{web.url}/health", timeout=60).status_code == 200
        seconds.append(time.perf_counter() - started)
    return min(seconds)


def test_silent_clients_do_not_keep_others_waiting(web: Web) -> None:
    """More cut connections than there are threads, in the midst of a header or of a body:
    given up after some seconds, for good."""
    login = b"Authorization: Basic " + base64.b64encode(":".join(AUTH).encode()) + b"\r\n\r\n{"
    with contextlib.ExitStack() as stack:
        for number in range(32):
            client = stack.enter_context(socket.create_connection(("127.0.0.1", web.settings.port)))
            client.sendall(HEAD + (login if number % 2 else b""))
        assert quickest_health(web) < 1
        client.settimeout(60)
        answer = b"".join(iter(lambda: client.recv(4096), b""))  # until it is closed
        assert answer.startswith(b"HTTP/1.1 408 ")
    assert "gave up a client that went silent" in web.log.read_text()


def test_trickling_clients_hold_no_thread(web: Web) -> None:
    """Four times as many as there are threads, each with another header line now and then, in a head and in a
    body."""
    clients = [socket.create_connection(("127.0.0.1", web.settings.port)) for _ in range(96)]
    try:
        for number, client in enumerate(clients):
            client.sendall(HEAD + (b"\r\n{" if number % 2 else b""))
        for turn in range(3):
            for client in clients:
                client.sendall(f"X-Line-{turn}: x\r\n".encode())
            assert quickest_health(web) < 1
    finally:
        for client in clients:
            client.close()


@pytest.mark.parametrize(
    "head",
    [
        b"GET a://" + b"1" * 60_000 + b" x",
        b"GET /a://" + b"1" * 60_000 + b" HTTX/1.1",
        b"GET / HTTP/1.1\r\nX:" + b" \t" * 30_000 + b"x",
        b"GET http://[:: HTTP/1.1",
        b"POST /webhook HTTP/1.1\r\nContent-Length: " + b"9" * 5000,
        b"POST /webhook HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n" + b"0" * 20_000,
        b"POST /webhook HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n" + b"X: y\r\n" * 5_000,
    ],
    ids=["address", "version", "blanks", "no address", "length", "length of a chunk", "headers at the end"],
)
def test_what_would_take_minutes_to_read_is_refused_at_once(web: Web, head: bytes) -> None:
    """One request without a password would stop the loop that serves everybody, or go without an answer."""
    with socket.create_connection(("127.0.0.1", web.settings.port), timeout=60) as client:
        client.sendall(head + b"\r\n\r\n")
        assert client.recv(4096).startswith((b"HTTP/1.1 400 ", b"HTTP/1.0 400 "))


def test_address_with_a_server_counts_whatever_the_host_header_says() -> None:
    parser = Parser(Adjustments())
    parser.received(b"GET http://evil.example/projects HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert (parser.path, parser.headers["HOST"]) == ("/projects", "evil.example")


def test_body_of_who_will_be_refused_is_not_kept(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    """Hundreds of them could fill the disk, without a password."""
    monkeypatch.setattr(gunicorn_worker, "get_settings", lambda: web.settings)
    right = base64.b64encode(":".join(AUTH).encode())
    kept = []
    for login in (b"", b"Basic eDp5", b"Bearer 2.x", b"Basic " + right):
        parser = Parser(Adjustments())
        parser.received(HEAD + b"Authorization: " + login + b"\r\n\r\n")
        parser.received(b"x" * 10_000)
        assert parser.completed
        kept.append(len(parser.get_body_stream().read()))
        parser.close()
    assert kept == [0, 0, 0, 10_000]
    answer = httpx.post(f"{web.url}/predict", content=b"x" * 3_000_000, timeout=60)
    assert (answer.status_code, "BASIC_AUTH_USER" in answer.text) == (401, True)


def test_whoever_holds_connections_keeps_nobody_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of many, the older ones that ask nothing are closed; requests, and answers on their way, are not."""
    monkeypatch.setattr(gunicorn_worker, "CROWDED", 5)
    server, now = Server.__new__(Server), time.time()
    server.active_channels = {}
    for number in range(6):
        channel: Any = Channel.__new__(Channel)
        channel.creation_time = channel.last_activity = channel.begun = now + number
        channel.requests, channel.total_outbufs_len = [], 0
        channel.request = Parser(Adjustments()) if number != 3 else None
        channel.will_close = channel.close_when_flushed = False
        server.active_channels[number] = channel
    server.active_channels[0].request.headers_finished = True
    server.active_channels[1].requests = [Parser(Adjustments())]
    server.active_channels[2].total_outbufs_len = 1
    server.maintenance(now)
    assert [number for number, each in server.active_channels.items() if each.will_close] == [3, 4]


def test_whole_request_has_a_limit_however_it_trickles() -> None:
    """Each byte is new activity, so the limit counts from the first."""
    channel = Channel.__new__(Channel)
    request = HTTPRequestParser(Adjustments())
    channel.begun, channel.request = 1000.0, request
    for finished, limit in ((False, HEAD_SECONDS), (True, REQUEST_SECONDS)):
        request.headers_finished = finished
        for seconds, late in ((limit - 1, False), (limit + 1, True)):
            channel.last_activity = 1000.0 + seconds
            assert channel.late(1000.0 + seconds) is late
