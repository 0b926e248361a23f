"""The project's connection to this service:
one, under whatever name it was made, with the extra params that it has."""

from __future__ import annotations

import base64
import logging
import re
from functools import partial

from backend.errors import LabelStudioError
from backend.finding import Finding, Severity
from backend.labelstudio.connect.inspection import Inspection
from backend.labelstudio.connect.own_service import BACKEND_TITLE, HOOK, OWN_TITLES, normalise
from backend.labelstudio.http.answers import MlBackend

log = logging.getLogger(__name__)

CONNECTED = ("CO", None)
"""States of a connection that works."""
_UP = "check that `python -m backend up` runs, and that Label Studio reaches it at this address (BACKEND_URL)"


def check_backend(found: Inspection) -> list[Finding]:
    """One connection, with the right user and password, that Label Studio can use."""
    ours = found.own.of_these(found.backends)
    if not ours:
        ours = [item for item in found.backends if _moved(found, item)][:1]
    if not ours:
        return _connect(found)
    kept, *others = ours
    listed = _check_kept(found, kept)
    for other in others:
        listed += _second(found, kept, other)
    strange = [str(item["url"]) for item in found.backends if item["id"] not in {each["id"] for each in ours}]
    if strange:
        text = (
            f"other backends are connected too ({', '.join(strange)}); their predictions do not order the"
            " tasks"
        )
        listed.append(
            Finding("backend", Severity.WARNING, text, "Settings, Model: look whether they are meant")
        )
    return listed or [Finding("backend", Severity.OK, f"{kept['url']} is connected")]


def explain_refusal(error: str, url: str) -> str:
    """What Label Studio says when it does not connect, without its markup and the names of its classes."""
    if "health check failed" in error:
        cause = re.search(r"\[Errno -?\d+\] ([^\"'\\)]+)", error) or re.search(
            r"(timed out|\d{3} \w+ Error[^'\"\\]*)", error
        )
        return f"Label Studio does not reach {url}{f' ({cause[1].strip()})' if cause else ''}"
    if "authentication parameters" in error:
        return f"{url} does not accept the user and password of BASIC_AUTH_USER and BASIC_AUTH_PASS"
    if refused := re.search(r"Reason: (.*?)\.?\\+n?Check the ML backend", error):
        return f"{url} refuses this project: {refused[1]}"
    return error


def remedy_of(error: str) -> str:
    """What fixes a connection that Label Studio refused with these words."""
    if "reserved network" in error or "banned" in error.lower():
        return (
            "start Label Studio with USE_DEFAULT_BANNED_SUBNETS=false, which lets it reach private addresses;"
            " then connect again"
        )
    if "authentication parameters" in error or "BASIC_AUTH_USER" in error:
        return (
            "export the BASIC_AUTH_USER and BASIC_AUTH_PASS that the running service has; then connect again"
        )
    if "valid ML backend" in error and "Reason" in error:
        return "correct what the reason names; then connect again"
    return f"{_UP}; then connect again"


def _connect(found: Inspection) -> list[Finding]:
    fields = {"url": found.own.url, "title": BACKEND_TITLE, "is_interactive": False, **_auth(found)}
    extra = found.record.extra_params if found.record else {}
    with_extra = f", with the extra params that it had before: {extra}" if extra else ""

    def create() -> None:
        try:
            made = found.client.create_ml_backend(found.project.id, **fields, extra_params=extra or None)
        except LabelStudioError as error:
            if not extra or error.status != 400:
                raise
            log.warning("the extra params of before, %s, are refused: %s", extra, error)
            made = found.client.create_ml_backend(found.project.id, **fields)
        found.note_made("ml_backends", made)
        found.backends.append(made)
        if found.record is not None:
            found.record.take_up_extra_params()

    return found.fix(
        "backend",
        f"{found.own.url} is not connected",
        f"connected{with_extra}",
        create,
        will=f"this service, {found.own.url}, is connected as ML backend{with_extra}",
    )


def _check_kept(found: Inspection, kept: MlBackend) -> list[Finding]:
    """Its user and password, and whether Label Studio can use it;
    else it is moved to the address that the settings tell."""
    url, auth = str(kept["url"]), _auth(found)
    state = kept.get("state")
    elsewhere = normalise(url) != normalise(found.own.url)
    if state not in CONNECTED and elsewhere:
        text = f"Label Studio cannot use {url}, under which this service was connected"
        return found.fix(
            "backend",
            text,
            f"moved to {found.own.url}",
            lambda: _move(found, kept),
            will=f"the connection to {url}, which does not work, is moved to {found.own.url}",
        )
    wrong = kept.get("auth_method") != auth["auth_method"] or (kept.get("basic_auth_user") or "") != auth.get(
        "basic_auth_user", ""
    )
    if wrong or _other_password(found):
        text = f"the connection to {url} has not the user and password that this project has of its own"
        return found.fix(
            "backend",
            text,
            "corrected",
            lambda: _update(found, kept, url),
            will=f"the connection to {url} gets a user and password of this project's own",
        )
    if state not in CONNECTED:
        reason = str(kept.get("error_message") or kept.get("readable_state") or state)
        return [
            Finding("backend", Severity.ERROR, f"Label Studio cannot use {url}: {reason}", remedy_of(reason))
        ]
    return []


def _update(found: Inspection, kept: MlBackend, url: str) -> None:
    # Label Studio validates address and password together, so both are told, and tells /setup the extra
    # params of the request alone.
    kept |= found.client.update_ml_backend(
        int(kept["id"]),
        url=url,
        project=found.project.id,
        extra_params=kept.get("extra_params"),
        **_auth(found),
    )


def _move(found: Inspection, kept: MlBackend) -> None:
    before = normalise(str(kept["url"]).rstrip("/") + HOOK)
    _update(found, kept, found.own.url)
    for hook in found.hooks:
        if normalise(str(hook.get("url"))) == before:
            found.client.update_webhook(int(hook["id"]), url=found.own.url + HOOK)


def _second(found: Inspection, kept: MlBackend, other: MlBackend) -> list[Finding]:
    """A connection that leads here beside the one in use:
    removed if it is one that connecting has made and says nothing of its own."""
    text = f"this service is connected twice, at {kept['url']} and at {other['url']}"
    ours = other.get("title") in OWN_TITLES or found.is_made("ml_backends", other["id"])
    if ours and other.get("extra_params") in (None, {}, "", kept.get("extra_params")):
        removed = partial(found.client.delete_ml_backend, int(other["id"]))
        return found.fix(
            "backend",
            text,
            f"the second one, which connecting had made, removed; {kept['url']} stays",
            removed,
            Severity.WARNING,
            will=f"the second connection to this service, {other['url']}, is removed; {kept['url']} stays",
        )
    text += f"; the extra params of the first one hold ({kept.get('extra_params') or 'none'})"
    return [Finding("backend", Severity.WARNING, text, "Settings, Model: keep the one that is meant")]


def _moved(found: Inspection, item: MlBackend) -> bool:
    """Whether a connection is one that was ours until the service got another address:
    recorded, and nothing answers there now."""
    return found.is_made("ml_backends", item["id"]) and item.get("state") not in CONNECTED


def _auth(found: Inspection) -> dict[str, str]:
    login = found.own.login(found.project.id)
    if login is None:
        return {"auth_method": "NONE"}
    user, password = login
    return {"auth_method": "BASIC_AUTH", "basic_auth_user": user, "basic_auth_pass": password}


def _other_password(found: Inspection) -> bool:
    """Label Studio never tells a connection's password;
    a webhook's header betrays that it has been changed since."""
    if found.own.basic_auth is None:
        return False
    # Those of yesterday showed the password itself.
    right = (found.hook_headers["Authorization"], _basic(*found.own.basic_auth))
    headers = [hook.get("headers") or {} for hook in found.hooks if found.own.is_hook(hook)]
    return any(each["Authorization"] not in right for each in headers if "Authorization" in each)


def _basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
