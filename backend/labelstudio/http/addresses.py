"""Under which addresses Label Studio is known, and where a task's address is asked for:
all of them at LABEL_STUDIO_URL.

A synced Local Files storage writes `LABEL_STUDIO_HOST/data/local-files/...` into the tasks:
the address of browsers, at which a worker in a container may reach nothing, or another program.
The key goes to LABEL_STUDIO_URL and below, and nowhere else.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import unquote

import httpx

from backend.errors import LabelStudioError

OWN_PATH = re.compile(
    r"/(data/(upload|local-files)\b|storage-data/|(tasks|projects)/\d+/(presign|resolve|file-proxy)\b)"
)
"""How the paths begin under which Label Studio itself serves images, behind the sub-path of its host name if
it has one."""
_LOCAL_FILES = ("/data/local-files", "/data/local-files/")
_PASSWORD = re.compile(r"(?:[\w+.-]+:)?//(?!\[)[^/?#@]*:(?!\d*(?:[/?#]|$))[^@/?#]*[/?#][^@]*@", re.DOTALL)
"""An address that begins with a password in which the place of the server seems to end."""
MOST_SHOWN = 200
"""Characters of an address that a message names."""
_THIS_MACHINE = {"127.0.0.1", "::1", "0.0.0.0"}
_DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True)
class Place:
    """Where something is asked for, and whether the key goes along."""

    url: httpx.URL
    keyed: bool
    otherwise: httpx.URL | None = None
    """Where it may be if Label Studio does not have it:
    beside Label Studio, under the address that browsers use."""


class Addresses:
    """The addresses of one Label Studio: LABEL_STUDIO_URL, and those that mean the same server."""

    def __init__(self, url: str, others: Iterable[str | None] = ()) -> None:
        """`url` without a slash at the end. Of `others`, those that are no address are passed over."""
        self._base = parse(url)
        self._known = [self._base]
        for other in others:
            self.add(other)

    def add(self, other: str | None) -> None:
        """Another address that means the same server, such as the host name that it tells of itself."""
        try:
            found = parse((other or "").strip().rstrip("/"))
        except LabelStudioError:
            return
        if found.scheme in _DEFAULT_PORTS and found.host and found not in self._known:
            self._known.append(found)
            self._known.sort(
                key=lambda known: -len(known.raw_path)
            )  # of https://lab/ls and https://lab the first one decides

    def find(self, address: str | httpx.URL, *, redirected: bool = False) -> Place:
        """Where the image of a path ("/data/upload/...") or web address is asked for.
        Raises LabelStudioError for no address.

        An address that Label Studio `redirected` to carries its own signature, and gets no key unless it is
        Label Studio's again.
        """
        if isinstance(address, str) and address.startswith("/"):
            return self._own(self._without_prefix(address))
        url = parse(address)
        for known in self._known:
            rest = below(url, known)
            if rest is None or climbs(rest):
                continue
            if OWN_PATH.match(rest):
                return self._own(rest)
            if redirected:
                break
            return (
                Place(url, keyed=False)
                if self.may_see_the_key(url)
                else dataclasses.replace(self._own(rest), otherwise=url)
            )
        return Place(url, keyed=False)

    def seems_own(self, address: str | httpx.URL) -> bool:
        """Whether an address elsewhere has a path like those of Label Studio:
        perhaps under a name of it that is not known here."""
        try:
            return OWN_PATH.search(parse(address).path) is not None
        except LabelStudioError:
            return False

    def may_see_the_key(self, url: httpx.URL) -> bool:
        """Whether it is LABEL_STUDIO_URL or below: the same scheme, host, port and sub-path."""
        path = _raw_path(url)
        same = (url.scheme, url.host, _port(url)) == (self._base.scheme, self._base.host, _port(self._base))
        return same and not climbs(path) and _tail(path, _raw_path(self._base)) is not None

    def _own(self, rest: str) -> Place:
        url = parse(f"{self._base}".rstrip("/") + rest)
        # Only where images are served: what the key opens elsewhere is nothing that a task may ask for.
        return Place(url, OWN_PATH.match(rest) is not None and self.may_see_the_key(url))

    def _without_prefix(self, path: str) -> str:
        """A path of this server without the sub-path of its host name:
        in uploads it stands before `/data`."""
        own = OWN_PATH.search(path.split("?")[0])
        if own:
            return path[own.start() :]
        for known in self._known:
            rest = _tail(path, _raw_path(known))
            if rest is not None:
                return rest or "/"
        return path


def below(url: httpx.URL, base: httpx.URL) -> str | None:
    """Path and query of `url` behind `base`, "" or with a slash in front;
    None if it is on another server, or beside the sub-path.

    http and https on their own ports, and the names of this machine, count as one server:
    the key does not go by this.
    """
    usual = all(_port(each) == _DEFAULT_PORTS.get(each.scheme) for each in (url, base))
    if _host(url) != _host(base) or not (usual or _port(url) == _port(base)):
        return None
    return _tail(url.raw_path.decode("ascii"), _raw_path(base))


def climbs(path: str) -> bool:
    """Whether a server might read `..` out of a path, however it is written, and leave the sub-path."""
    return ".." in re.split(r"[/\\;]", unquote(unquote(path.split("?")[0])))


def parse(address: str | httpx.URL) -> httpx.URL:
    """A web address as it will be asked for. Raises LabelStudioError if it cannot be read."""
    try:
        return httpx.URL(address)
    except (httpx.InvalidURL, ValueError) as error:
        raise LabelStudioError(f"the address cannot be read ({type(error).__name__}: {error}).") from error


def strip_secrets(address: str) -> str:
    """The start of an image's address as log and pages may show it: no user, password, query or fragment.

    A query may hold a signature that opens the image. That of a local file stays: it is the file's path.
    The address may be one that cannot be read.
    """
    if _PASSWORD.match(address):
        address = re.sub(r"//.*?@", "//", address, count=1, flags=re.DOTALL)
    start, *_ = re.split(r"[?#]", address, maxsplit=1)
    local = re.match(r"\?d=[^&#]*", address[len(start) :]) if start.endswith(_LOCAL_FILES) else None
    return (re.sub(r"//[^/]*@", "//", start) + (local.group() if local else ""))[:MOST_SHOWN]


def _tail(path: str, prefix: str) -> str | None:
    rest = path.removeprefix(prefix)
    return rest if path.startswith(prefix) and rest[:1] in ("", "/", "?") else None


def _raw_path(url: httpx.URL) -> str:
    return url.raw_path.decode("ascii").split("?")[0].rstrip("/")


def _host(url: httpx.URL) -> str:
    host = url.host.rstrip(".")
    return "localhost" if host in _THIS_MACHINE else host


def _port(url: httpx.URL) -> int | None:
    return url.port or _DEFAULT_PORTS.get(url.scheme)
