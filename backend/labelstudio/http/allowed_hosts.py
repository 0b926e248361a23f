"""From which servers images are fetched: a task's address is whatever somebody has written into it.

An annotator could write an address of this machine, of the lab's private network or of a cloud's metadata
service into a task, and have the service ask there.
So such servers are asked only where the setting IMAGE_HOSTS names them, or where Label Studio itself leads
there.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Collection

import httpx

from backend.errors import LabelStudioError
from backend.proxy import proxy_of

_TRANSLATED = ipaddress.ip_network("64:ff9b::/96")
"""IPv6 addresses that stand for IPv4 ones."""


class AllowedHosts:
    """The servers that may be asked for images: public ones, and those that are named."""

    def __init__(self, named: Collection[str] | None) -> None:
        """`named` as "host" or "host:port", in small letters; None: every server may be asked."""
        self._named = None if named is None else frozenset(named)

    def require(self, url: httpx.URL) -> None:
        """Raise LabelStudioError for an address that leads into a private network; it is not asked."""
        if self._is_named(url):
            return
        # A proxy looks names up itself; an address in digits is a private one there, too.
        flags = socket.AI_NUMERICHOST if proxy_of(str(url)) else 0
        try:
            found = socket.getaddrinfo(url.host, url.port or 443, type=socket.SOCK_STREAM, flags=flags)
        except (OSError, UnicodeError):  # there is no such server, which is told when it is asked
            return
        for *_, place in found:
            self._require_public(url, str(place[0]))

    def require_peer(self, url: httpx.URL, address: str) -> None:
        """The same for the connection as it was made:
        a name may lead elsewhere the second time it is looked up."""
        if not (self._is_named(url) or proxy_of(str(url))):
            self._require_public(url, address)

    def _is_named(self, url: httpx.URL) -> bool:
        host = url.host.rstrip(".").lower()
        port = url.port or {"http": 80, "https": 443}.get(url.scheme)
        return self._named is None or not self._named.isdisjoint({host, f"{host}:{port}"})

    def _require_public(self, url: httpx.URL, address: str) -> None:
        if not is_public(address):
            raise LabelStudioError(
                f"{url.host} is on this machine or in a private network, and is not asked for images; if they"
                f" are kept there, add it to IMAGE_HOSTS (IMAGE_HOSTS={url.host})."
            )


def is_public(address: str) -> bool:
    """Whether an IP address, as the system gives it, is one of the open internet."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour or (ip.teredo[1] if ip.teredo else None)
        if ip in _TRANSLATED:
            inner = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(str(inner))
    return ip.is_global and not ip.is_multicast
