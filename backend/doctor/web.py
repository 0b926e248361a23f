"""The web server at the address that Label Studio is given, and who may use it."""

from __future__ import annotations

import ipaddress

import httpx

from backend.finding import Finding, Severity
from backend.project.connection import read_own_url
from backend.settings import Settings

SECONDS = 5.0
_AGAIN = (
    "export the BASIC_AUTH_USER and BASIC_AUTH_PASS that the running service has, or start `python -m backend"
    " up` again with these"
)
_SET = (
    'export BASIC_AUTH_USER=label-studio BASIC_AUTH_PASS="$(openssl rand -hex 16)", start `python -m backend'
    " up` again, then python -m backend connect --project NUMBER"
)


def check(settings: Settings) -> list[Finding]:
    """Asks it as Label Studio does."""
    url = read_own_url(settings)
    try:
        answer = httpx.get(f"{url}/health", timeout=SECONDS)
        kind = answer.json().get("model_class") if answer.is_success else None
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        text = (
            f"{url}, the address given to Label Studio, does not answer from here ({type(error).__name__}:"
            f" {error})"
        )
        return [Finding("web server", Severity.ERROR, text, "python -m backend up")]
    except (ValueError, AttributeError):
        kind = None
    if kind is None:
        text = f"{url} answers ({answer.status_code}), but is another program"
        return [
            Finding(
                "web server",
                Severity.ERROR,
                text,
                "export the right BACKEND_URL or PORT, and start `python -m backend up` again",
            )
        ]
    try:
        access = _access(url, settings)
    except httpx.HTTPError as error:
        text = (
            f"{url} answered once and does not any more ({type(error).__name__}: {error}); it may be ending"
            " or busy"
        )
        return [Finding("web server", Severity.ERROR, text, "python -m backend up")]
    return [Finding("web server", Severity.OK, f"{url} answers"), access]


def _access(url: str, settings: Settings) -> Finding:
    bare = httpx.get(f"{url}/projects", timeout=SECONDS, headers={"Accept": "application/json"}).status_code
    if settings.basic_auth is None:
        if bare == 401:
            text = "the running web server asks for a user and password, which are not set here"
            return Finding("basic auth", Severity.ERROR, text, _AGAIN)
        if _local(settings.host):
            return Finding(
                "basic auth", Severity.OK, "not set; only programs of this machine reach the service"
            )
        return Finding(
            "basic auth", Severity.WARNING, f"not set: whoever reaches {url} can use the service", _SET
        )
    if bare != 401:
        text = (
            "BASIC_AUTH_USER and BASIC_AUTH_PASS are set here, but the running web server does not ask for"
            " them"
        )
        return Finding("basic auth", Severity.ERROR, text, _AGAIN)
    given = httpx.get(
        f"{url}/projects", timeout=SECONDS, auth=settings.basic_auth, headers={"Accept": "application/json"}
    ).status_code
    if given == 401:
        return Finding(
            "basic auth",
            Severity.ERROR,
            "the running web server has another user or password than is set here",
            _AGAIN,
        )
    if given >= 400:
        text = f"the running web server answers {given} to a simple question; its log tells why"
        return Finding("basic auth", Severity.ERROR, text, "python -m backend up")
    return Finding("basic auth", Severity.OK, f"user {settings.basic_auth[0]}")


def _local(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
