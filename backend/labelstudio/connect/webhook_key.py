"""The credential of a project's webhook: it opens /webhook for that project and nothing else.

Label Studio shows a webhook's headers to every member of the organization, so the service's password must not
be in them.
"""

from __future__ import annotations

import hashlib
import hmac
from functools import lru_cache

BasicAuth = tuple[str, str]
_COST = {"n": 2**14, "r": 8, "p": 1}
"""Of one guess at the password by somebody who sees the credential: 50 ms and 16 MiB."""


def webhook_headers(basic_auth: BasicAuth | None, project_id: int) -> dict[str, str]:
    """What a project's webhook must send; nothing where the service asks for no password."""
    if basic_auth is None:
        return {}
    return {"Authorization": f"Bearer {project_id}.{_key(basic_auth, project_id)}"}


def project_of(token: str, basic_auth: BasicAuth) -> int | None:
    """The project whose webhook may send this credential, None where it is none of this service."""
    number, _, given = token.partition(".")
    if not (number.isascii() and number.isdigit() and len(number) <= 10):
        return None
    right = hmac.compare_digest(_key(basic_auth, int(number)).encode(), given.encode())
    return int(number) if right else None


def _key(basic_auth: BasicAuth, project_id: int) -> str:
    return hmac.new(_master(basic_auth), str(project_id).encode(), hashlib.sha256).hexdigest()


@lru_cache(maxsize=4)
def _master(basic_auth: BasicAuth) -> bytes:
    user, password = basic_auth
    return hashlib.scrypt(password.encode(), salt=f"webhooks of {user}".encode(), **_COST)
