"""What Label Studio is given to reach this service: credentials of one project, which open no other.

Label Studio shows a webhook's headers to every member of the organization.
It does not show a connection's password; but each member may lead the connection to a server of their own,
which is then sent it. So the service's password is in neither.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from functools import lru_cache

BasicAuth = tuple[str, str]
_COST = {"n": 2**14, "r": 8, "p": 1}
"""Of one guess at the password by somebody who sees a credential: 50 ms and 16 MiB."""
_WEBHOOK, _CONNECTION = "", "connection of "
"""What a key is for, before the number of its project."""


def webhook_headers(basic_auth: BasicAuth | None, project_id: int) -> dict[str, str]:
    """What a project's webhook must send; nothing where the service asks for no password."""
    if basic_auth is None:
        return {}
    return {"Authorization": f"Bearer {project_id}.{_key(basic_auth, _WEBHOOK, project_id)}"}


def connection_login(basic_auth: BasicAuth, project_id: int) -> BasicAuth:
    """User and password of a project's connection."""
    return f"project-{project_id}", _key(basic_auth, _CONNECTION, project_id)


def project_of_webhook(token: str, basic_auth: BasicAuth) -> int | None:
    """The project whose webhook may send this credential, None where it is none of this service."""
    number, _, given = token.partition(".")
    return _project(number, given, _WEBHOOK, basic_auth)


def project_of_connection(user: str, password: str, basic_auth: BasicAuth) -> int | None:
    """The project whose connection has this user and password, None where it is none of this service."""
    return _project(user.removeprefix("project-"), password, _CONNECTION, basic_auth)


def _project(number: str, given: str, purpose: str, basic_auth: BasicAuth) -> int | None:
    if not re.fullmatch(r"[1-9]\d{0,9}", number, re.ASCII):
        return None
    right = _key(basic_auth, purpose, int(number))
    return int(number) if hmac.compare_digest(right.encode(), given.encode()) else None


def _key(basic_auth: BasicAuth, purpose: str, project_id: int) -> str:
    return hmac.new(_master(basic_auth), f"{purpose}{project_id}".encode(), hashlib.sha256).hexdigest()


@lru_cache(maxsize=4)
def _master(basic_auth: BasicAuth) -> bytes:
    user, password = basic_auth
    return hashlib.scrypt(password.encode(), salt=f"webhooks of {user}".encode(), **_COST)
