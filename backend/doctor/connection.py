"""How a project stands in Label Studio: that it is there, what connecting sets, and the connection's extra params."""

from __future__ import annotations

from backend import service
from backend.doctor.label_studio import connect
from backend.doctor.redis_server import open_redis
from backend.errors import SettingsError
from backend.finding import Finding, Severity
from backend.jobs.context import Context
from backend.labelstudio.connect import check as check_connection
from backend.settings import Settings
from backend.storage import Storage

WEBHOOK = "/webhook"


def check_project(settings: Settings, project_id: int) -> list[Finding]:
    found = connect(settings).project(project_id)
    return [Finding("project", Severity.OK, f"{found.title!r}, {found.tasks} tasks, {found.labelled} of them labelled")]


def check_connected(settings: Settings, project_id: int) -> list[Finding]:
    """What connecting sets, and webhooks that an earlier connection has left behind."""
    client = connect(settings)
    url = service.own_url(settings)
    found = check_connection(client, project_id, url, settings.basic_auth)
    connected = {str(backend.get("url") or "").rstrip("/") for backend in client.ml_backends(project_id)} | {url.rstrip("/")}
    for hook in client.webhooks(project_id):
        base, _, end = str(hook.get("url") or "").rstrip("/").rpartition("/")
        if f"/{end}" == WEBHOOK and base not in connected and hook.get("project") == project_id:
            text = f"there is a webhook to {hook['url']}, where no connected backend is; an annotator's submit may wait a second for it"
            found.append(Finding("webhook", Severity.WARNING, text, "in Label Studio: Settings, Webhooks, delete it if it is left over"))
    return found


def check_extra_params(settings: Settings, project_id: int) -> list[Finding]:
    context = Context(project_id, settings, open_redis(settings), connect(settings), Storage.of(settings))
    try:
        options = context.project_settings()
    except SettingsError as error:
        return [Finding("extra params", Severity.ERROR, str(error), "in Label Studio: Settings, Model, Edit, Extra params")]
    return [Finding("extra params", Severity.OK, f"budget {options.budget}, strategy {options.strategy}")]
