"""A proxy in the environment (HTTP_PROXY, HTTPS_PROXY, ALL_PROXY):
used for what is elsewhere, gone around on this machine, and named."""

from __future__ import annotations

import os
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import httpx

from backend.errors import SettingsError

LOOPBACK = ("localhost", "127.0.0.1", "::1")
"""A proxy is another machine: it cannot reach what listens on this one."""


def go_around_on_this_machine() -> None:
    """Have every library of this process, and the processes it starts, reach this machine's own programs
    without a proxy."""
    if not any(scheme != "no" for scheme in getproxies()):
        return
    given = os.environ.get("no_proxy") or os.environ.get("NO_PROXY") or ""
    names = [name.strip() for name in given.split(",") if name.strip()]
    merged = ",".join([*names, *(name for name in LOOPBACK if name not in names)])
    os.environ["no_proxy"] = os.environ["NO_PROXY"] = merged


def proxy_of(url: str) -> str:
    """The proxy of the environment through which an address is asked, without its password; "" if none."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    if host in LOOPBACK or proxy_bypass(host):
        return ""
    proxies = getproxies()
    found = urlsplit(proxies.get(parts.scheme) or proxies.get("all") or "")
    return f"{found.scheme}://{found.netloc.rpartition('@')[2]}" if found.netloc else found.path


def proxy_text(url: str) -> str:
    """What a message says about the proxy of an address; "" without one."""
    found = proxy_of(url)
    return (
        f", through the proxy {found} of the environment; NO_PROXY={urlsplit(url).hostname} goes around it"
        if found
        else ""
    )


@cache
def known_authorities() -> ssl.SSLContext:
    """Whom to trust that a server is who it says;
    read once in a process and its forks, as it takes as long as twenty requests."""
    return httpx.create_ssl_context()


def open_client(**options: Any) -> httpx.Client:
    """An httpx client. Raises SettingsError for a proxy in the environment that cannot be used."""
    with named_proxies():
        return httpx.Client(verify=known_authorities(), **options)


@contextmanager
def named_proxies() -> Iterator[None]:
    """What opens a client raises SettingsError for a proxy in the environment that cannot be used."""
    try:
        yield
    except (ImportError, ValueError, httpx.InvalidURL) as error:
        named = ", ".join(f"{name}_proxy" for name in sorted(getproxies()) if name != "no")
        raise SettingsError(
            f"The proxy of the environment ({named}) cannot be used: {error} Expected an address such as"
            " http://proxy:3128; correct it, or unset it for this service."
        ) from error
