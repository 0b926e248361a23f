"""Whether annotators get the order that this service has written last."""

from __future__ import annotations

from backend.doctor.label_studio import connect
from backend.doctor.redis_server import open_redis
from backend.finding import Finding, Severity
from backend.labelstudio.connect.record import Record
from backend.labelstudio.order import priorities
from backend.labelstudio.order.next_places import find_misplaced
from backend.queue import project_jobs
from backend.queue.pending_work import Work
from backend.settings import Settings
from backend.store.round_record import round_in_force
from backend.store.storage import Storage


def check_order(settings: Settings, project_id: int) -> list[Finding]:
    """Whether Label Studio serves the round that this service has written last, and has a place for every
    open task."""
    client, redis = connect(settings), open_redis(settings)
    command = f"python -m backend recompute --project {project_id} --wait"
    record = round_in_force(Storage.of(settings), project_id)
    open_tasks = client.count(project_id, "unlabelled")
    if not open_tasks:
        return [Finding("order", Severity.OK, "no task is open")]
    if Record(Storage.of(settings), project_id).disconnected:
        text = "the project is disconnected: Label Studio serves its tasks by its own rule"
        return [Finding("order", Severity.OK, text)]
    if project_jobs.active(redis, project_id, Work.ROUND):
        return [Finding("order", Severity.OK, "is being computed just now; look again when it is done")]
    if record is None:
        return [
            Finding(
                "order",
                Severity.ERROR,
                f"there is none yet for {open_tasks} open tasks, so they are served at random",
                command,
            )
        ]
    serving = client.model_version(project_id)
    if serving != record.served_as:
        text = (
            f"Label Studio serves {serving or 'nothing'!r}, expected the order {record.served_as}; so tasks"
            " come at random"
        )
        return [Finding("order", Severity.ERROR, text, command)]
    missing = priorities.unplaced(client, project_id)
    if missing:
        text = (
            f"{len(missing)} of {open_tasks} open tasks have no place in {record.round} and come last, at"
            f" random: task {missing[0]}"
        )
        return [Finding("order", Severity.WARNING, text, command)]
    wrong = find_misplaced(client, project_id, record.first)
    if wrong and not project_jobs.active(redis, project_id, Work.LIVE):
        text = (
            f"task {wrong[0]} is not served in its place in {record.round}: a new order was cut off while it"
            " was written; the next look at the project, within a minute, corrects it"
        )
        return [Finding("order", Severity.WARNING, text, command)]
    return [Finding("order", Severity.OK, f"{record.round} orders all {open_tasks} open tasks")]
