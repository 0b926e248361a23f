"""Basic authentication on every address but /health; a project's webhook has a credential of its own."""

from __future__ import annotations

import hmac
from dataclasses import dataclass

from flask import Flask, Response, g, request
from werkzeug.datastructures import Authorization

from backend.errors import RequestError
from backend.labelstudio.connect.webhook_key import BasicAuth, project_of
from backend.web.answers import error_answer

OPEN = ("/health",)
"""Asked by load balancers and containers, which have no password; it tells nothing."""


WEBHOOK = "/webhook"
"""Where Label Studio sends events; `require_project` says of which project a credential may tell."""


def require_project(project_id: int) -> None:
    """Raise RequestError (403) where the request came with the credential of another project's webhook."""
    allowed = g.get("webhook_project")
    if allowed not in (None, project_id):
        raise RequestError(
            f"This credential is for the webhook of project {allowed}, found an event of project"
            f" {project_id}.",
            403,
        )


@dataclass(frozen=True)
class Login:
    """What somebody may do who has given the right credential."""

    project: int | None = None
    """The only one whose events may be told, of a webhook's credential; None: everything."""


def login_of(given: Authorization | None, basic_auth: BasicAuth) -> Login | None:
    """What a credential opens; None for none, or a wrong one."""
    if given is None:
        return None
    if given.type == "basic":
        # Both are compared in full, so that the time tells nothing about either.
        pairs = zip((given.username, given.password), basic_auth, strict=True)
        right = [hmac.compare_digest((found or "").encode(), wanted.encode()) for found, wanted in pairs]
        return Login() if all(right) else None
    project = project_of(given.token or "", basic_auth) if given.type == "bearer" else None
    return None if project is None else Login(project)


def require_login(app: Flask, basic_auth: BasicAuth | None) -> None:
    """Refuse requests without the right user and password; does nothing when none are set."""
    if basic_auth is None:
        return

    @app.before_request
    def check() -> Response | None:
        if request.path in OPEN:
            return None
        given = request.authorization
        login = login_of(given, basic_auth)
        if login is not None:
            g.webhook_project = login.project
            if login.project is None or (request.method, request.path) == ("POST", WEBHOOK):
                return None
        found = "no user and password" if given is None else "a wrong user or password"
        answer = error_answer(401, f"Found {found}, expected those of BASIC_AUTH_USER and BASIC_AUTH_PASS.")
        answer.headers["WWW-Authenticate"] = 'Basic realm="backend", charset="UTF-8"'
        return answer
