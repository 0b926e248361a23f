"""What Label Studio refuses, and answers that are none of its own, as errors that say what to do."""

from __future__ import annotations

from typing import Any

import httpx

from backend.errors import ApiKeyError, LabelStudioError, UnknownProjectError, UnreachableError
from backend.labelstudio.http.probe import redirection
from backend.proxy import proxy_text

KEY_PAGE = "Account & Settings, Access Token (or Personal Access Token)"


def is_page(answer: httpx.Response) -> bool:
    """Whether this is a page for people:
    what proxies answer, with status 200, while the server behind them is away."""
    return answer.headers.get("content-type", "").startswith("text/html")


def is_of_another(answer: httpx.Response) -> bool:
    """Whether another program has answered the API in Label Studio's place, as proxies do while it is started
    again: with a page, or with a 404 that is not JSON with "detail", as each of Label Studio's own is."""
    if answer.status_code != 404:
        return answer.is_success and is_page(answer)
    try:
        body = answer.json()
    except (ValueError, RecursionError):
        return True
    return not (isinstance(body, dict) and "detail" in body)


def require_success(answer: httpx.Response, url: str, *, personal: bool) -> None:
    """Raise what an answer of the Label Studio at `url` refuses; `personal` is the kind of the key.

    Raises ApiKeyError, RedirectedError, LabelStudioError.
    """
    if answer.is_success:
        return
    code, request = answer.status_code, answer.request
    detail = _detail(answer)
    if code == 401:
        raise key_error(detail, url, personal=personal)
    if (elsewhere := redirection(url, answer)) is not None:
        raise elsewhere
    raise LabelStudioError(
        f"{request.method} {request.url.copy_with(query=None)} answered {code}: {detail}", status=code
    )


def key_error(body: Any, url: str, *, personal: bool) -> ApiKeyError:
    """What is wrong with the key, and where to find the right one."""
    detail = body.get("detail", body) if isinstance(body, dict) else body
    text = str(detail)[:300]
    if "legacy" in text.lower():
        remedy = (
            "use a personal access token instead, or enable legacy tokens under Organization, API Tokens"
            " Settings"
        )
    elif personal and "not provided" in text.lower():  # the answer to a kind of token that is switched off
        text += " This key is a personal access token"
        remedy = (
            "use the legacy token instead, or enable personal access tokens under Organization, API"
            " Tokens Settings"
        )
    else:
        remedy = f"copy the key again from {KEY_PAGE}; it must belong to {url}"
    return ApiKeyError(
        f"Label Studio at {url} does not accept LABEL_STUDIO_API_KEY ({text}); {remedy}.", status=401
    )


def unreachable(url: str, cause: Exception | str) -> UnreachableError:
    """Label Studio does not answer at all, because of an error or of a status."""
    what = cause if isinstance(cause, str) else f"{type(cause).__name__}: {cause}{proxy_text(url)}"
    return UnreachableError(
        f"Label Studio at {url} does not answer ({what}); "
        "start it, or correct LABEL_STUDIO_URL (inside a container, localhost is the container itself)."
    )


def no_json(what: str, start: str, *, page: bool = False) -> LabelStudioError:
    """Another program has answered in Label Studio's place; a `page` of a proxy may pass by itself."""
    return LabelStudioError(
        f"{what} answered {start!r}, expected JSON; a proxy may have answered for"
        " a Label Studio that is away; if this stays, check that LABEL_STUDIO_URL is a Label Studio.",
        status=502 if page else None,
    )


def other_form(request: httpx.Request, answer: Any, expected: str) -> LabelStudioError:
    """An answer that is JSON, but not what was asked for."""
    return LabelStudioError(
        f"{request.method} {request.url.copy_with(query=None)} answered {str(answer)[:100]!r}, expected"
        f" {expected}; check Label Studio's version."
    )


def unknown_project(project_id: int, url: str) -> UnknownProjectError:
    """No project of that id can be seen with this key."""
    return UnknownProjectError(
        f"Label Studio at {url} has no project {project_id} that the API key's user may see; "
        "the number is in the project's address, /projects/<number>/data.",
        status=404,
    )


def _detail(answer: httpx.Response) -> str:
    """What the server says went wrong, without its traceback."""
    try:
        body = answer.json()
    except (ValueError, RecursionError):
        return answer.text[:200] or answer.reason_phrase
    if not isinstance(body, dict):
        return str(body)[:1000]
    errors = body.get("validation_errors")
    return str(errors or body.get("detail") or body)[:1000]
