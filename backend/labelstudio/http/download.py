"""One download:
redirects followed hop by hop, so that the key goes nowhere else, within a time and above a rate."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any, Self

import httpx

from backend.errors import LabelStudioError, NoAnswerError
from backend.labelstudio.http.addresses import Addresses, Place, strip_secrets
from backend.labelstudio.http.allowed_hosts import AllowedHosts
from backend.proxy import open_client

MAX_BYTES = 1 << 30
"""Larger files are no images that could be predicted in memory."""
SECONDS = 300.0
"""The longest that one image may take, however it is sent:
an address that drips must not hold a worker forever."""
ANSWER_SECONDS = 60.0
"""The longest until a server has sent the headers of its answer."""
SLOW_SECONDS, LEAST_RATE = 15.0, 4096
"""After so many seconds at least so many bytes a second must have come, on average."""
MOST_REDIRECTS = 10
TIMEOUT = httpx.Timeout(20.0, connect=5.0)
"""Seconds of a server that is not Label Studio: for a connection, and until it goes on sending."""

NO_COOKIES = DefaultCookiePolicy(allowed_domains=[])
"""A cookie of Label Studio would go to other servers of its host, which differ in the port only."""

Hop = Callable[[httpx.URL, bool, Callable[[], httpx.Response]], httpx.Response]


class Download:
    """Downloads of one client; safe to share between threads."""

    def __init__(
        self, addresses: Addresses, auth: httpx.Auth, timeout: httpx.Timeout, allowed: AllowedHosts
    ) -> None:
        """`timeout` is that of Label Studio itself; `allowed` are the other servers that may be asked."""
        # No connection is used twice, as only a new one can be cut.
        self._http = open_client(
            limits=httpx.Limits(max_keepalive_connections=0), cookies=CookieJar(NO_COOKIES)
        )
        self._addresses, self._auth, self._timeout, self._allowed = addresses, auth, timeout, allowed

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def get(self, place: Place, hop: Hop) -> tuple[httpx.Response, bool]:
        """The answer at the end of all redirects, and whether it is Label Studio's own;
        `hop` asks one server, with retries.

        Raises LabelStudioError for what is no image: too large, too slow, in a circle.
        """
        until = time.monotonic() + SECONDS
        led = False  # Label Studio leads to its storages itself, which an administrator has connected
        for _ in range(MOST_REDIRECTS + 1):
            url, keyed = place.url, place.keyed
            free = keyed or led or self._addresses.may_see_the_key(url)
            if not free:
                self._allowed.require(url)
            response = hop(url, keyed, partial(self._stream, url, keyed, free, until))
            led = keyed
            if not response.is_redirect or "location" not in response.headers:
                return response, keyed
            target = url.join(response.headers["location"])
            place = self._addresses.find(target, redirected=True)
            if place.url == url and target != url:
                raise LabelStudioError(
                    f"{strip_secrets(str(url))} is redirected to {strip_secrets(str(target))}, which is the"
                    " same server; set LABEL_STUDIO_URL to the final address."
                )
        raise LabelStudioError(
            f"the address leads in a circle (TooManyRedirects: more than {MOST_REDIRECTS}); correct it."
        )

    def _stream(self, url: httpx.URL, keyed: bool, free: bool, until: float) -> httpx.Response:
        auth, timeout = (self._auth, self._timeout) if keyed else (None, TIMEOUT)
        chunks, size, started = [], 0, time.monotonic()
        check = None if free else partial(self._allowed.require_peer, url)
        with _Cut(check) as cut:
            try:
                cut.after(min(ANSWER_SECONDS, until - time.monotonic()))
                with self._http.stream(
                    "GET", url, auth=auth, timeout=timeout, extensions={"trace": cut.trace}
                ) as response:
                    cut.after(until - time.monotonic())
                    for chunk in response.iter_bytes() if not response.is_redirect else ():
                        size += len(chunk)
                        chunks.append(chunk)
                        waited = time.monotonic() - started
                        if size > MAX_BYTES:
                            raise LabelStudioError(
                                f"it is larger than {MAX_BYTES >> 20} MB, expected an image; shrink it."
                            )
                        if waited > SLOW_SECONDS and size < LEAST_RATE * waited:
                            raise NoAnswerError(
                                f"{url.host} sent {size} bytes in {waited:.0f} s; look at its load and the"
                                " network."
                            )
            except httpx.TransportError as error:
                if not cut.done:
                    raise
                waited = time.monotonic() - started
                raise NoAnswerError(
                    f"{url.host} had not sent it after {waited:.0f} s; look at its load and the network."
                ) from error
        headers = {
            key: value
            for key, value in response.headers.items()
            if key not in ("content-encoding", "content-length")
        }
        return httpx.Response(
            response.status_code, headers=headers, content=b"".join(chunks), request=response.request
        )


class _Cut:
    """Ends a request after a time by shutting its connections:
    no time limit of the library bounds headers that drip."""

    def __init__(self, check: Callable[[str], None] | None) -> None:
        """`check` is given the address of each peer before anything is sent, and raises where nothing may
        be."""
        self.done = False
        self._check = check
        self._sockets: list[socket.socket] = []
        self._timer: threading.Timer | None = None

    def after(self, seconds: float) -> None:
        """Cut so many seconds from now, in place of the time before."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = threading.Timer(max(0.0, seconds), self._shut)
        self._timer.daemon = True
        self._timer.start()

    def trace(self, event: str, info: Mapping[str, Any]) -> None:
        """Called by the library at each step of a request;
        it must not take a connection that is open already."""
        if event.endswith(("connect_tcp.complete", "start_tls.complete")):
            connected = info["return_value"].get_extra_info("socket")
            self._sockets.append(connected)
            if self._check is not None and event.endswith("connect_tcp.complete"):
                self._check(str(connected.getpeername()[0]))

    def _shut(self) -> None:
        self.done = True
        for each in self._sockets:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._timer is not None:
            self._timer.cancel()
