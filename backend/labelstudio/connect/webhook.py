"""The webhook that tells this service of labels: one, with a credential that opens nothing else."""

from __future__ import annotations

from functools import partial

from backend.finding import Finding, Severity
from backend.labelstudio.connect.inspection import Inspection
from backend.labelstudio.connect.own_service import HOOK, normalise
from backend.labelstudio.http.answers import Webhook


def check_webhook(found: Inspection) -> list[Finding]:
    """Label Studio makes a bare webhook when a backend is connected by hand;
    it gets its header, and one is enough."""
    connected = found.own.of_these(found.backends)
    base = str(connected[0]["url"]).rstrip("/") if connected else found.own.url
    url = base + HOOK
    ours = [hook for hook in found.hooks if found.own.is_hook(hook)]
    if not ours:
        return _make(found, url) if connected or not found.change else _without_backend(url)
    kept, *others = sorted(
        ours, key=lambda hook: (normalise(str(hook["url"])) != normalise(url), int(hook["id"]))
    )
    listed = []
    right = {
        "headers": found.hook_headers,
        "is_active": True,
        "send_payload": True,
        "send_for_all_actions": True,
    }
    if wrong := _difference(kept, found.hook_headers):
        new = int(kept["id"]) in found.new_hooks  # Label Studio makes it with a connection, always bare
        listed += found.fix(
            "webhook",
            f"new labels are told to {kept['url']}" if new else f"the webhook to {kept['url']} {wrong}",
            "the webhook is made, with a password that opens nothing else" if new else "corrected",
            lambda: found.client.update_webhook(int(kept["id"]), **right),
            will=f"the webhook to {kept['url']}, by which labels are told, is corrected: it {wrong}",
        )
    for other in others:
        remove = partial(found.client.delete_webhook, int(other["id"]))
        text = f"there is a second webhook to this service, {other['url']}"
        listed += found.fix(
            "webhook",
            text,
            "removed",
            remove,
            will=f"the second webhook to this service, {other['url']}, is removed",
        )
    return listed or [Finding("webhook", Severity.OK, f"labels are told to {kept['url']}")]


def _make(found: Inspection, url: str) -> list[Finding]:
    def create() -> None:
        found.note_made("webhooks", found.client.create_webhook(found.project.id, url, found.hook_headers))

    return found.fix(
        "webhook",
        f"there is no webhook to {url}",
        "made",
        create,
        will=f"a webhook tells this service of new labels, {url}",
    )


def _without_backend(url: str) -> list[Finding]:
    """An address that Label Studio cannot reach would make every submit wait for it."""
    return [
        Finding(
            "webhook",
            Severity.ERROR,
            f"there is no webhook to {url}; none was made, as the backend is not connected",
            "see backend",
        )
    ]


def _difference(hook: Webhook, headers: dict[str, str]) -> str:
    """What is wrong with a webhook, "" if nothing; the password is not told."""
    if hook.get("headers") != headers:
        if str((hook.get("headers") or {}).get("Authorization", "")).startswith("Basic ") and headers:
            return (
                "shows the service's password to every member of the organization; set a new BASIC_AUTH_PASS,"
                " as this one is known"
            )
        return (
            "has no Authorization header, or another"
            if headers
            else "has headers, although no Basic auth is set"
        )
    if not hook.get("is_active"):
        return "is switched off"
    if not (hook.get("send_payload") and hook.get("send_for_all_actions")):
        return "does not send all events with their content"
    return ""
