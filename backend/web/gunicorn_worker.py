"""gunicorn's threads and log as this service needs them: one silent client never keeps the others waiting."""

from __future__ import annotations

import socket
import struct
import sys
from typing import Any

from gunicorn import glogging
from gunicorn.workers.gthread import TConn, ThreadWorker

from backend.logs import configure_logging
from backend.settings import get_settings

SILENT_SECONDS = 5
"""Nothing arrives of a request that has begun. Label Studio sends all at once, and itself waits 1 to 3 s for most answers."""
UNREAD_SECONDS = 30
"""Nothing is taken of an answer."""


class Worker(ThreadWorker):
    """gunicorn's threaded worker, which by itself waits for ever for the rest of a request: a few cut connections, and nobody is served."""

    def handle(self, conn: TConn) -> Any:
        """Serve one request of a connection, in a thread of the pool; tells whether there may be another."""
        conn.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("ll", SILENT_SECONDS, 0))
        conn.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", UNREAD_SECONDS, 0))
        again = super().handle(conn)
        if again is False:
            # Closing takes 2 s when the other side is silent; left to gunicorn, its main thread would do it, one after the other.
            conn.close(graceful=True)
            conn.close = lambda **_: None
        return again


class Logger(glogging.Logger):
    """gunicorn's own lines, in the form of all others."""

    def setup(self, cfg: Any) -> None:
        """Hand everything to the root logger, whose handler knows the form."""
        super().setup(cfg)
        configure_logging(get_settings())
        self.error_log.handlers.clear()
        self.error_log.propagate = True

    def exception(self, msg: str, *args: Any, **kwargs: Any) -> None:
        """Errors that nobody handled; a client that went silent is none of ours."""
        if isinstance(sys.exc_info()[1], BlockingIOError):
            self.info("gave up a client that went silent in the midst of a request")
        else:
            super().exception(msg, *args, **kwargs)
