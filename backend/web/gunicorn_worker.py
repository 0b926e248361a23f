"""gunicorn's worker and log as this service needs them:
a slow or silent client holds no thread and keeps nobody waiting.

gunicorn's own threads read a request while it arrives, so that a few clients that send a byte now and then
hold all of them. Here waitress receives requests, all connections in one loop;
a thread gets a request when all of it is there.
"""

from __future__ import annotations

import logging
import math
import os
import re
import select
import socket
import time
from typing import Any

from gunicorn import glogging
from gunicorn.workers.base import Worker as BaseWorker
from waitress import wasyncore
from waitress.adjustments import Adjustments
from waitress.buffers import OverflowableBuffer
from waitress.channel import HTTPChannel
from waitress.parser import HTTPRequestParser, ParsingError
from waitress.receiver import ChunkedReceiver
from waitress.server import BaseWSGIServer, TcpWSGIServer, UnixWSGIServer
from waitress.task import ThreadedTaskDispatcher, WSGITask
from waitress.utilities import BadRequest
from werkzeug.datastructures import Authorization

from backend.logs import configure_logging
from backend.settings import get_settings
from backend.web.guesses import HOLD
from model.stop_signals import leave

SILENT_SECONDS = 5
"""A connection on which nothing arrives is closed, in the midst of a request or between two.
Label Studio sends all at once."""
HEAD_SECONDS = 10
"""For the whole head of a request, however it trickles."""
REQUEST_SECONDS = 60
"""For the whole request: 64 MiB at 1 MiB/s."""
SENT_AT_ONCE = 1 << 20
"""Bytes of an answer, before others have their turn:
a client on this machine may read as fast as it is sent."""
UNREAD_SECONDS = 30
"""Nothing is taken of an answer."""
CONNECTIONS = 500
"""At once; further ones wait to be accepted. Most systems allow a process 1,024 files."""
CROWDED = 400
"""Connections from which on those that ask nothing yet make room: whoever holds some hundred open, without a
password, would keep all others out."""
LONGEST_HEAD = 64 * 1024
"""Bytes."""
MOST_BLANKS = 32
"""In a row, in the head of a request: waitress' patterns take the square of their number."""
LONGEST_LINE = 4096
"""Bytes of a line between the chunks of a body, or of the headers after them: a length of a few digits is
usual. What has no end is read anew at each piece that arrives, by the loop that serves everybody."""
LONGEST_IGNORED = 1 << 30
"""Bytes of a body that is too large which are received and thrown away:
who is still sending does not read the answer."""
LOOP_SECONDS = 0.5
"""Between two signs of life, if nothing else happens."""
_TOO_LATE = b"HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"

log = logging.getLogger(__name__)


class BoundedBuffer(OverflowableBuffer):
    """Keeps the first `most` bytes of a body, and only counts the others:
    the application refuses it by its length."""

    def __init__(self, overflow: int, most: int) -> None:
        super().__init__(overflow)
        self._most, self._dropped = most, 0

    def append(self, data: bytes) -> None:
        """Add what has arrived."""
        room = max(0, self._most - super().__len__())
        super().append(data[:room])
        self._dropped += len(data) - min(room, len(data))

    def __len__(self) -> int:
        return int(super().__len__()) + self._dropped


class Parser(HTTPRequestParser):
    """A request as it arrives; its body is kept up to MAX_BODY_MB."""

    def received(self, data: bytes) -> int:
        """Take in what has arrived; returns how much of it belongs to this request."""
        consumed = int(super().received(data))
        body = self.body_rcv
        if isinstance(body, ChunkedReceiver) and len(body.control_line) + len(body.trailer) > LONGEST_LINE:
            self.error, self.completed = BadRequest("The length of a chunk has no end"), True
        return consumed

    def parse_header(self, header_plus: bytes) -> None:
        """Read the head, which is complete."""
        _require_quick_to_read(header_plus)
        try:
            super().parse_header(header_plus)
        except ValueError as error:  # numbers and addresses that Python refuses to read
            raise ParsingError(str(error)) from error
        if self.proxy_netloc:  # of "GET http://server/path", which counts whatever the Host header says
            self.headers["HOST"] = self.proxy_netloc
        if self.body_rcv is not None:
            self.body_rcv.buf = BoundedBuffer(self.adj.inbuf_overflow, self._most_kept())

    def _most_kept(self) -> int:
        """Bytes of the body: nothing from who will be refused, and could fill the disk."""
        from backend.web.auth import login_of  # here, as gunicorn's master has no use for all that it loads

        settings = get_settings()
        given = Authorization.from_header(self.headers.get("AUTHORIZATION"))
        if settings.basic_auth is not None and login_of(given, settings.basic_auth) is None:
            return 0
        return int(settings.max_body_mb * 2**20) + 1


def _require_quick_to_read(head: bytes) -> None:
    """Raise ParsingError for a head on which waitress' patterns would take minutes, in the loop that serves
    everybody: a first line that they do not match in the end, or many blanks."""
    line, _, fields = head.partition(b"\r\n")
    parts = line.rstrip().split(b" ")
    version = parts[2] if len(parts) == 3 else b"HTTP/1.0"
    if len(parts) not in (2, 3) or not all(parts) or not re.fullmatch(rb"HTTP/\d\.\d", version):
        raise ParsingError("Start line is invalid")
    if b" " * MOST_BLANKS in fields.replace(b"\t", b" "):
        raise ParsingError(f"More than {MOST_BLANKS} blanks in a row")


class Task(WSGITask):
    """One request, whose answer the application may have held back."""

    def get_environment(self) -> dict[str, Any]:
        """What the application is told of the request."""
        environ: dict[str, Any] = super().get_environment()
        environ[HOLD] = self.channel.hold
        return environ


class Channel(HTTPChannel):
    """One connection, which is given up when a request does not arrive in time."""

    parser_class = Parser
    task_class = Task
    held_until = 0.0
    """Nothing is sent before."""
    begun = 0.0
    """When the first byte of the request came that is not complete yet."""
    left = math.inf
    """Bytes that may still be sent in this turn."""

    def hold(self, seconds: float) -> None:
        """Send nothing for so long; no thread waits for that."""
        self.held_until = time.time() + seconds

    @property
    def held(self) -> bool:
        """Whether the answer is held back."""
        return time.time() < self.held_until

    def writable(self) -> bool:
        """Whether the loop is to send, or to close."""
        return not self.held and bool(super().writable())

    def handle_write(self) -> None:
        """Send some of what is to be sent; called by the loop that serves everybody."""
        self.left = SENT_AT_ONCE
        super().handle_write()
        self.left = math.inf

    def send(self, data: bytes, do_close: bool = True) -> int:
        """Send, and return how many bytes; 0 where the client, or this turn, takes no more."""
        if self.left <= 0 or self.held:
            return 0
        sent = int(super().send(data, do_close))
        self.left -= sent
        return sent

    def received(self, data: bytes) -> bool:
        """Take in what has arrived."""
        before = self.request
        answer = bool(super().received(data))
        if self.request is not None and self.request is not before:
            self.begun = time.time()
        return answer

    @property
    def asks_nothing(self) -> bool:
        """Whether no head of a request has come yet, and no answer is on its way."""
        begun = self.request is not None and self.request.headers_finished
        return not (begun or self.requests or self.total_outbufs_len)

    def late(self, now: float) -> bool:
        """Tell whether the request that is arriving has taken too long."""
        request = self.request
        if request is None:
            return False
        limit = REQUEST_SECONDS if request.headers_finished else HEAD_SECONDS
        return now - self.begun > limit or now - self.last_activity > SILENT_SECONDS

    def give_up(self) -> None:
        """Say that it took too long, and close the connection."""
        with self.outbuf_lock:
            self.outbufs[-1].append(_TOO_LATE)
            self.total_outbufs_len += len(_TOO_LATE)
        self.request, self.close_when_flushed = None, True
        log.info("gave up a client that went silent in the midst of a request, or sent it too slowly")


class Connections(BaseWSGIServer):
    """All connections of one listening socket."""

    channel_class = Channel

    def maintenance(self, now: float) -> None:
        """Close what is idle, late, or does not take its answer; called each second."""
        for channel in list(self.active_channels.values()):
            if channel.total_outbufs_len:
                channel.will_close |= now - channel.last_activity > UNREAD_SECONDS
            elif channel.requests or channel.close_when_flushed:
                continue
            elif channel.late(now):
                channel.give_up()
            elif channel.request is None and now - channel.last_activity > SILENT_SECONDS:
                channel.will_close = True
        if len(self.active_channels) > CROWDED:
            silent = [channel for channel in self.active_channels.values() if channel.asks_nothing]
            for channel in sorted(silent, key=lambda each: each.creation_time)[: (len(silent) + 1) // 2]:
                channel.will_close = True


class Server(Connections, TcpWSGIServer):
    """Those of everybody."""


class PrivateServer(Connections, UnixWSGIServer):
    """Those of the other process."""


class Worker(BaseWorker):
    """A gunicorn worker in which waitress receives requests and a pool of threads answers them."""

    predicts = False
    """Whether this is the process that answers /predict, which only the other one reaches."""

    def load_wsgi(self) -> None:
        """Load the application; in the process that predicts not before it is asked, as most projects never
        do: it takes seconds, and half a gigabyte."""
        (private,) = (each.sock for each in self.sockets if _is_private(each))
        if self.predicts:
            self._wait_for(private)
        super().load_wsgi()
        if not self.predicts:
            from backend.web.predictor import PREDICTOR, Predictor  # here, for the same reason as above

            self.wsgi.config[PREDICTOR] = Predictor(private.getsockname())

    def _wait_for(self, listening: socket.socket) -> None:
        """Return when somebody connects; ends this process where gunicorn does, or its master dies."""
        while self._goes_on():
            self.notify()
            if select.select([listening], [], [], LOOP_SECONDS)[0]:
                return
        leave()

    def _goes_on(self) -> bool:
        return bool(self.alive) and os.getppid() == self.ppid

    def run(self) -> None:
        """Serve until gunicorn, or the death of its master, ends it;
        requests that are being answered come to their end."""
        adjustments = Adjustments(
            threads=self.cfg.threads,
            connection_limit=CONNECTIONS,
            cleanup_interval=1,
            max_request_header_size=LONGEST_HEAD,
            max_request_body_size=LONGEST_IGNORED,
            outbuf_high_watermark=LONGEST_IGNORED,  # an answer never waits in a thread for its reader
            asyncore_use_poll=True,
            expose_tracebacks=False,
            ident=None,
            # A proxy on this machine may say that it was asked by https.
            trusted_proxy="127.0.0.1",
            trusted_proxy_headers={"x-forwarded-proto"},
            clear_untrusted_proxy_headers=True,
        )
        threads = ThreadedTaskDispatcher()
        threads.set_thread_count(adjustments.threads)
        connections: dict[int, Any] = {}
        for listener in self.sockets:
            if _is_private(listener) != self.predicts:
                continue  # the other process accepts these
            place = (
                listener.sock.family,
                listener.sock.type,
                listener.sock.proto,
                listener.sock.getsockname(),
            )
            common = {"dispatcher": threads, "adj": adjustments, "bind_socket": False, "sockinfo": place}
            server = PrivateServer if self.predicts else Server
            server(self.wsgi, connections, True, listener.sock, **common)
        while self._goes_on():
            self._serve(connections)
        self._end(connections)
        threads.shutdown(timeout=1)
        wasyncore.close_all(connections)
        log.info("the web server's process ends")
        leave()

    def _serve(self, connections: dict[int, Any], seconds: float = LOOP_SECONDS) -> None:
        self.notify()
        wasyncore.loop(timeout=seconds, use_poll=True, map=connections, count=1)

    def _end(self, connections: dict[int, Any]) -> None:
        """Accept nobody any more, and let the requests that are being answered come to their end."""
        for each in list(connections.values()):
            if isinstance(each, Connections):
                each.accepting = False
        until = time.monotonic() + self.cfg.graceful_timeout
        while time.monotonic() < until and any(
            isinstance(each, Channel) and (each.requests or each.total_outbufs_len)
            for each in connections.values()
        ):
            self._serve(connections, 0.1)


def _is_private(listener: Any) -> bool:
    return bool(listener.sock.family == socket.AF_UNIX)


class Logger(glogging.Logger):
    """gunicorn's own lines, in the form of all others."""

    def setup(self, cfg: Any) -> None:
        """Hand everything to the root logger, whose handler knows the form."""
        super().setup(cfg)
        configure_logging(get_settings())
        self.error_log.handlers.clear()
        self.error_log.propagate = True
