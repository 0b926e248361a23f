"""Basic authentication on every address but /health; a project's webhook has a credential of its own."""

from __future__ import annotations

import hmac

from flask import Flask, Response, g, request

from backend.errors import RequestError
from backend.labelstudio.connect.webhook_key import project_of
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


def require_login(app: Flask, basic_auth: tuple[str, str] | None) -> None:
    """Refuse requests without the right user and password; does nothing when none are set."""
    if basic_auth is None:
        return
    user, password = (part.encode() for part in basic_auth)

    @app.before_request
    def check() -> Response | None:
        if request.path in OPEN:
            return None
        given = request.authorization
        if given is not None and given.type == "basic":
            # Both are compared in full, so that the time tells nothing about either.
            right_user = hmac.compare_digest((given.username or "").encode(), user)
            right_password = hmac.compare_digest((given.password or "").encode(), password)
            if right_user & right_password:
                return None
        if (
            given is not None
            and given.type == "bearer"
            and (request.method, request.path) == ("POST", WEBHOOK)
        ):
            g.webhook_project = project_of(given.token or "", basic_auth)
            if g.webhook_project is not None:
                return None
        found = "no user and password" if given is None else "a wrong user or password"
        answer = error_answer(401, f"Found {found}, expected those of BASIC_AUTH_USER and BASIC_AUTH_PASS.")
        answer.headers["WWW-Authenticate"] = 'Basic realm="backend", charset="UTF-8"'
        return answer
