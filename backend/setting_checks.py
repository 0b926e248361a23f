"""What the values of settings must be: addresses, names of servers, times."""

from __future__ import annotations

from contextlib import suppress
from ipaddress import ip_address
from urllib.parse import urlsplit


def is_web_address(value: str) -> bool:
    """Whether this is an address such as http://label-studio:8080."""
    try:
        parts = urlsplit(value)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is no number, brackets that do not close
        return False


def plain_address(value: str) -> str:
    """A web address without the slash at its end.
    Raises ValueError, which does not show a password, for anything else, and for one with a user."""
    if "@" in value:
        raise ValueError(
            "found a user or a password in the address, which stands on pages and in messages, expected one"
            " without, such as http://label-studio:8080"
        )
    if not is_web_address(value):
        raise ValueError(f"found {value!r}, expected an address such as http://label-studio:8080")
    return value.rstrip("/")


def is_server(name: str) -> bool:
    """Whether this names a server, with a port or without, and nothing else of an address."""
    with suppress(ValueError):
        return ip_address(name).version > 0
    return is_web_address(f"http://{name}") and not set("/?#@\\[] ") & set(name)


def is_cron_time(cron: str) -> bool:
    """Whether a cron time of five fields, or a name such as @daily, is ever reached."""
    from croniter import CroniterError, croniter

    try:
        croniter(cron).get_next()
    except (CroniterError, ValueError):
        return False
    return len(cron.split()) == 5 or cron.strip().startswith("@")
