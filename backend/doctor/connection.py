"""How a project stands in Label Studio:
that it is there, what connecting sets, and the connection's extra params."""

from __future__ import annotations

from backend.doctor.label_studio import connect
from backend.doctor.redis_server import open_redis
from backend.errors import SettingsError
from backend.finding import Finding, Severity
from backend.labelstudio.connect.own_service import HOOK, normalise
from backend.project import connection
from backend.project.context import Context
from backend.settings import Settings
from backend.store.storage import Storage


def check_project(settings: Settings, project_id: int) -> list[Finding]:
    found = connect(settings).project(project_id)
    return [
        Finding(
            "project", Severity.OK, f"{found.title!r}, {found.tasks} tasks, {found.labelled} of them labelled"
        )
    ]


def check_connected(settings: Settings, project_id: int) -> list[Finding]:
    """What connecting sets, and webhooks that an earlier connection has left behind."""
    client = connect(settings)
    own = connection.own_service(settings, connection.instance_here(settings))
    found = connection.check(settings, client, project_id, own)
    connected = {normalise(str(backend.get("url") or "")) for backend in client.ml_backends(project_id)}
    for hook in client.webhooks(project_id):
        base, found_hook, end = str(hook.get("url") or "").rstrip("/").rpartition(HOOK)
        if not found_hook or end or hook.get("project") != project_id:
            continue
        if normalise(base) not in connected and not own.is_at(base):
            text = (
                f"there is a webhook to {hook['url']}, where no connected backend is; an annotator's submit"
                " may wait a second for it"
            )
            remedy = "in Label Studio: Settings, Webhooks, switch it off if it is left over"
            found.append(Finding("webhook", Severity.WARNING, text, remedy))
    return found


def check_extra_params(settings: Settings, project_id: int) -> list[Finding]:
    context = Context(project_id, settings, open_redis(settings), connect(settings), Storage.of(settings))
    try:
        options = context.project_settings()
    except SettingsError as error:
        return [
            Finding(
                "extra params",
                Severity.ERROR,
                str(error),
                "in Label Studio: Settings, Model, Edit, Extra params",
            )
        ]
    return [Finding("extra params", Severity.OK, f"budget {options.budget}, strategy {options.strategy}")]
