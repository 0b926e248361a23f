"""Only names that this service knows are answered where no password guards it.

A foreign web site can lead a name of its own to this machine (DNS rebinding);
a browser then takes this service for a part of that site and lets it read every answer.
An address in digits cannot be led anywhere, so it is answered too.
"""

from __future__ import annotations

import ipaddress
import socket
from urllib.parse import urlsplit

from flask import Flask, Response, request

from backend.settings import Settings
from backend.web.answers import error_answer


def refuse_unknown_hosts(app: Flask, settings: Settings) -> None:
    """Refuse requests for other names, whatever the method;
    does nothing where a password is set, which a browser gives to no such name."""
    if settings.basic_auth is not None:
        return
    known = known_names(settings)

    @app.before_request
    def check() -> Response | None:
        name = host_name(request.environ.get("HTTP_HOST", ""))
        if name in known or is_address(name):
            return None
        return error_answer(
            403,
            f"This request is for {name[:100] or 'no host'!r}, expected {', '.join(sorted(known))}, or an IP"
            " address. If that is the name at which you reach this service, set PUBLIC_URL to it, or set"
            " BASIC_AUTH_USER and BASIC_AUTH_PASS.",
        )


def known_names(settings: Settings) -> set[str]:
    """The names of this machine and those that the settings give."""
    addresses = (settings.local_url, settings.own_url, settings.public_url or "")
    names = {host_name(urlsplit(address).netloc) for address in addresses} | {host_name(settings.host)}
    return (names | {"localhost", socket.gethostname().lower()}) - {""}


def host_name(host: str) -> str:
    """The name or address in a Host header, without its port and in small letters;
    empty if there is none to be read."""
    try:
        return (urlsplit(f"//{host}").hostname or "").rstrip(".")
    except ValueError:
        return ""


def is_address(name: str) -> bool:
    """Tell whether this is an IP address."""
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
