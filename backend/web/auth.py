"""Basic authentication on every address but /health; Label Studio has credentials of each project's own."""

from __future__ import annotations

import hmac
import math
import re
from dataclasses import dataclass

from flask import Flask, Response, g, request
from werkzeug.datastructures import Authorization

from backend.errors import RequestError
from backend.labelstudio.connect.project_credentials import (
    BasicAuth,
    project_of_connection,
    project_of_webhook,
)
from backend.web.answers import error_answer
from backend.web.guesses import HOLD, MOST_SECONDS, Guesses

OPEN = ("/health",)
"""Asked by load balancers and containers, which have no password; it tells nothing."""
WEBHOOK = "/webhook"
"""Where Label Studio sends events."""
PROTOCOL = ("/setup", "/predict", "/versions", WEBHOOK)
"""What else it calls; `require_project` says of which project a credential may tell."""


@dataclass(frozen=True)
class Login:
    """What somebody may do who has given the right credential."""

    project: int | None = None
    """The only one that it opens; None: all of them, and the pages."""
    events_only: bool = False
    """Of a webhook."""

    def opens(self, method: str, path: str) -> bool:
        """Tell whether it opens an address."""
        if self.events_only:
            return (method, path) == ("POST", WEBHOOK)
        of_project = f"/projects/{self.project}"
        return self.project is None or path in (*PROTOCOL, of_project) or path.startswith(f"{of_project}/")


def login_of(given: Authorization | None, basic_auth: BasicAuth) -> Login | None:
    """What a credential opens; None for none, or a wrong one."""
    if given is None:
        return None
    if given.type == "basic":
        user, password = given.username or "", given.password or ""
        # Both are compared in full, so that the time tells nothing about either.
        right_user = hmac.compare_digest(user.encode(), basic_auth[0].encode())
        right_password = hmac.compare_digest(password.encode(), basic_auth[1].encode())
        if right_user & right_password:
            return Login()
        project = project_of_connection(user, password, basic_auth)
        return None if project is None else Login(project)
    project = project_of_webhook(given.token or "", basic_auth) if given.type == "bearer" else None
    return None if project is None else Login(project, events_only=True)


def allowed_project() -> int | None:
    """The only project that this request may be about; None: all."""
    login: Login | None = g.get("login")
    return None if login is None else login.project


def require_project(project_id: int) -> None:
    """Raise RequestError (403) where the request came with the credential of another project."""
    allowed = allowed_project()
    if allowed not in (None, project_id):
        raise RequestError(
            f"This credential is for project {allowed}, found a request about project {project_id}.", 403
        )


def require_login(app: Flask, basic_auth: BasicAuth | None) -> None:
    """Refuse requests without the right user and password; does nothing when none are set."""
    if basic_auth is None:
        return

    guesses = Guesses()

    @app.before_request
    def check() -> Response | None:
        if request.path in OPEN:
            return None
        given = request.authorization
        login = login_of(given, basic_auth)
        if login is not None and login.opens(request.method, request.path):
            g.login = login
            return None
        if given is not None and login is None and _is_guess(given, basic_auth[0]):
            seconds = guesses.note(request.remote_addr or "", given.username or "", given.password or "")
            if seconds is None:
                return _refuse_more_guesses()
            if hold := request.environ.get(HOLD):
                hold(seconds)
        found = "no user and password" if given is None else "a wrong user or password"
        answer = error_answer(401, f"Found {found}, expected those of BASIC_AUTH_USER and BASIC_AUTH_PASS.")
        answer.headers["WWW-Authenticate"] = 'Basic realm="backend", charset="UTF-8"'
        return answer


def _is_guess(given: Authorization, user: str) -> bool:
    """Whether a wrong credential may be a guess at the password: it is none of Label Studio's."""
    of_connection = re.fullmatch(r"project-\d+", given.username or "", re.ASCII)
    return given.type == "basic" and (given.username == user or not of_connection)


def _refuse_more_guesses() -> Response:
    seconds = math.ceil(MOST_SECONDS)
    answer = error_answer(
        429, f"Found many wrong passwords at once from this address; try again in {seconds} seconds."
    )
    answer.headers["Retry-After"] = str(seconds)
    return answer
