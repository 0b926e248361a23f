"""Users of a Label Studio: made, signed in and given keys by its forms, as a browser does."""

from __future__ import annotations

from contextlib import closing

import httpx

from backend.demo.server import Account, LabelStudioServer


def sign_in(server: LabelStudioServer, account: Account | None = None) -> httpx.Client:
    """A client with the session and the CSRF token of a user (default: the administrator)."""
    account = account or server.admin
    return _send_form(server, "/user/login/", {"email": account.email, "password": account.password})


def create_user(server: LabelStudioServer, email: str) -> Account:
    """Register another user; they see every project of the organization."""
    password = "correct horse battery"
    form = {"email": email, "password": password, "allow_newsletters": "false"}
    with closing(_send_form(server, "/user/signup/", form)) as client:
        token = client.get("/api/current-user/token").raise_for_status().json()["token"]
    return Account(email, password, token)


def create_personal_token(server: LabelStudioServer, account: Account | None = None) -> str:
    """A personal access token of a user (default: the administrator), the newer kind of key."""
    with closing(sign_in(server, account)) as client:
        allowed = {"api_tokens_enabled": True, "legacy_api_tokens_enabled": True}
        client.post("/api/jwt/settings", json=allowed).raise_for_status()
        return str(client.post("/api/token/").raise_for_status().json()["token"])


def _send_form(server: LabelStudioServer, page: str, form: dict[str, str]) -> httpx.Client:
    client = httpx.Client(base_url=server.url, timeout=30, headers={"Referer": server.url})
    client.get(page).raise_for_status()
    client.headers["X-CSRFToken"] = client.cookies["csrftoken"]
    answer = client.post(page, data=form)
    assert answer.status_code == 302, answer.text  # the page again, with what is wrong
    client.headers["X-CSRFToken"] = client.cookies["csrftoken"]  # renewed at log-in
    return client
