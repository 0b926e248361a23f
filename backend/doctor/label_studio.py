"""Label Studio as such, and the key:
reachable, of a known version, and with the rights that the service needs."""

from __future__ import annotations

import base64
import json
import time

from backend.errors import ApiKeyError, LabelStudioError, RedirectedError, SettingsError
from backend.finding import Finding, Severity
from backend.labelstudio.client import LabelStudio
from backend.proxy import proxy_of
from backend.settings import Settings

TESTED = "1.23"
"""The versions of Label Studio against which the service is tested."""
SECONDS = 10.0
WARN_DAYS = 14
"""A personal access token that ends within so many days should be replaced now."""
_EXPORT = (
    "copy a key from Label Studio (Account & Settings), export LABEL_STUDIO_API_KEY=..., and start `python -m"
    " backend up` again"
)


def connect(settings: Settings) -> LabelStudio:
    """A client that gives up early. Raises SettingsError, LabelStudioError."""
    public = settings.label_studio_public_url
    hosts = settings.allowed_image_hosts
    return LabelStudio(
        settings.label_studio_url,
        settings.api_key,
        timeout=SECONDS,
        attempts=2,
        public_url=public,
        image_hosts=hosts,
    )


def check(settings: Settings) -> list[Finding]:
    """Server first, then key: without the one, nothing is known of the other."""
    try:
        client = connect(settings)
        client.require_final()
        version = client.server_version()
    except (SettingsError, ApiKeyError) as error:
        return [Finding("key", Severity.ERROR, str(error), _EXPORT)]
    except RedirectedError as error:
        remedy = (
            f"export LABEL_STUDIO_URL={error.final}"
            if error.final
            else "export the LABEL_STUDIO_URL at which it answers itself"
        )
        return [Finding("label studio", Severity.ERROR, str(error), remedy)]
    except LabelStudioError as error:
        return [
            Finding(
                "label studio",
                Severity.ERROR,
                str(error),
                "start Label Studio, or export the right LABEL_STUDIO_URL",
            )
        ]
    found = [_version(version, settings)]
    return found + _key(client, settings.api_key)


def _version(version: str, settings: Settings) -> Finding:
    text = f"version {version} at {settings.label_studio_url}"
    if proxy := proxy_of(settings.label_studio_url):
        text += f", through the proxy {proxy} of the environment"
    if version.startswith(f"{TESTED}."):
        return Finding("label studio", Severity.OK, text)
    text += f"; tested is {TESTED}, and others may serve tasks in another order"
    return Finding("label studio", Severity.WARNING, text, "pip install label-studio==1.23.2")


def _key(client: LabelStudio, key: str) -> list[Finding]:
    try:
        user = client.user()
        projects = len(client.projects())
    except ApiKeyError as error:
        return [Finding("key", Severity.ERROR, str(error), _EXPORT)]
    except LabelStudioError as error:
        if error.status != 403:
            raise
        text = f"the key's user may not list projects ({error})"
        return [
            Finding(
                "key",
                Severity.ERROR,
                text,
                f"in Label Studio, make the user a member of the organization; or {_EXPORT}",
            )
        ]
    days = _days_left(key)
    kind = "legacy token" if days is None else f"personal access token, valid for {days:.0f} days"
    text = f"{kind} of {user.get('email')}, who sees {projects} project{'s' if projects != 1 else ''}"
    if days is not None and days < WARN_DAYS:
        return [Finding("key", Severity.WARNING, text, _EXPORT)]
    return [Finding("key", Severity.OK, text)]


def _days_left(key: str) -> float | None:
    """Days until a personal access token (a JSON web token) ends; None for the other kind, which does not."""
    parts = key.split(".")
    if len(parts) != 3:
        return None
    content = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    return max(0.0, (float(content["exp"]) - time.time()) / 86400)
