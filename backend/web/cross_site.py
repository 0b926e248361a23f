"""Requests that other web sites make a browser send are refused, and pages may neither be framed nor load
anything foreign.

A browser adds its password to whatever page asks for an address of this service, so a request that changes
something must prove that it comes from this service's own page:
by the headers that browsers set and pages cannot, and by a token that only the page knows.
Scripts (curl) send none of these headers and need no token; a browser cannot be made to leave them out.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from urllib.parse import urlsplit

from flask import Flask, Response, current_app, g, request

from backend.settings import Settings
from backend.web.answers import error_answer
from backend.web.hosts import host_name, is_address

COOKIE = "tdal_browser"
"""Random, one a browser; a token is bound to it. Sent only by pages of this host."""
HEADER = "X-CSRF-Token"
_SAFE = ("GET", "HEAD", "OPTIONS")
_SIGNS = ("Origin", "Referer", "Sec-Fetch-Site")
POLICY = "; ".join(
    (
        "default-src 'none'",
        "img-src 'self'",
        "style-src 'self'",
        "script-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)


def refuse_cross_site(app: Flask) -> None:
    """Guard every address of the app, and add the headers that make browsers careful;
    to be called after `require_login`."""
    app.config["PAGE_SECRET"] = _secret(app.config["SETTINGS"])

    @app.before_request
    def check() -> Response | None:
        if request.method in _SAFE or not any(request.headers.get(name) for name in _SIGNS):
            return None
        problem = _foreign(app.config["SETTINGS"])
        if problem:
            return error_answer(403, problem)
        cookie, given = request.cookies.get(COOKIE, ""), request.headers.get(HEADER, "")
        # Compared as bytes: a header may hold characters that text comparison refuses.
        if not cookie or not hmac.compare_digest(
            _token(app.config["PAGE_SECRET"], cookie).encode(), given.encode()
        ):
            return error_answer(
                403,
                f"Found no valid {HEADER}, expected that of a page of this service; reload the page and try"
                " again.",
            )
        return None

    @app.after_request
    def add_headers(answer: Response) -> Response:
        answer.headers["X-Content-Type-Options"] = "nosniff"
        if answer.mimetype == "text/html":
            answer.headers["Content-Security-Policy"] = POLICY
            answer.headers["X-Frame-Options"] = "DENY"
            answer.headers["Referrer-Policy"] = "same-origin"
            answer.headers["Cache-Control"] = "no-store"
        if "new_cookie" in g:
            secure = request.is_secure or (app.config["SETTINGS"].public_url or "").startswith("https://")
            answer.set_cookie(COOKIE, g.new_cookie, httponly=True, samesite="Strict", secure=secure)
        return answer


def page_token() -> str:
    """The token for the page that is being made; gives the browser its cookie if it has none."""
    cookie = request.cookies.get(COOKIE, "")
    if not cookie:
        cookie = g.new_cookie = secrets.token_urlsafe(24)
    return _token(current_app.config["PAGE_SECRET"], cookie)


def _token(secret: bytes, cookie: str) -> str:
    return hmac.new(secret, cookie.encode(), hashlib.sha256).hexdigest()


def _secret(settings: Settings) -> bytes:
    """What tokens are made from:
    the same for all web processes, and nothing that is kept, as reading a page writes nothing.

    Where there is neither password nor key, each process has its own.
    """
    known = (settings.basic_auth_pass, settings.label_studio_api_key)
    value = next((each.get_secret_value() for each in known if each is not None), "")
    return hashlib.sha256(b"tokens of pages " + value.encode()).digest() if value else secrets.token_bytes(32)


def _foreign(settings: Settings) -> str:
    """What shows that a request comes from another site; empty if nothing does."""
    site = request.headers.get("Sec-Fetch-Site", "same-origin")
    origin = request.headers.get("Origin") or request.headers.get("Referer") or ""
    # X-Forwarded-Host is not believed: whoever reaches this service could send it.
    own = {_server(url) for url in (settings.own_url, settings.public_url or "")} - {""}
    # Any other name may be a foreign one that was led here; a browser gives no password to such a name.
    host = request.environ.get("HTTP_HOST", "")
    if settings.basic_auth is not None or host_name(host) == "localhost" or is_address(host_name(host)):
        own.add(host.lower())
    if site == "same-origin" and (not origin or _server(origin) in own):
        return ""
    return (
        f"This request comes from {origin[:200] or 'another site'} ({site}), expected a page of this service"
        f" ({', '.join(sorted(own))}). If that is the address at which you reach it through a proxy, set"
        " PUBLIC_URL to it."
    )


def _server(url: str) -> str:
    """Host and port of an address; empty if it is none."""
    try:
        return urlsplit(url).netloc.lower()
    except ValueError:
        return ""
