"""What is odd about the labels, and whether the model in use has learnt from labels that mark anything."""

from __future__ import annotations

from backend.doctor.redis_server import open_redis
from backend.errors import VersionError
from backend.finding import Finding, Severity
from backend.project.labels.review import SUBJECT
from backend.queue.connection import Keys, as_text
from backend.settings import Settings
from backend.store.storage import Storage
from backend.store.version_record import VersionRecord
from backend.store.versions import Versions


def check_labels(settings: Settings, project_id: int) -> list[Finding]:
    """What the last training noted about the labels, and a version in use that no label with an object in it
    has taught."""
    notes = open_redis(settings).hgetall(Keys(project_id).notes)
    told = [as_text(text) for subject, text in sorted(notes.items()) if is_about_labels(as_text(subject))]
    found = [Finding("labels", Severity.WARNING, text) for text in told]
    try:
        current = Versions(Storage.of(settings), project_id).current_record()
    except VersionError:  # told with the model
        current = None
    if current is not None and _has_learnt_nothing(current):
        text = (
            f"{current.name} is in use and was trained on labels that all mark nothing, or everything; its"
            " held-out dice tells nothing. The next training on a label that shows an object takes its place"
        )
        found.append(
            Finding(
                "labels", Severity.WARNING, text, f"python -m backend train --project {project_id} --wait"
            )
        )
    return found or [Finding("labels", Severity.OK, "nothing odd was seen at the last training")]


def is_about_labels(subject: str) -> bool:
    """Whether a note is told here."""
    return subject.startswith(SUBJECT)


def _has_learnt_nothing(record: VersionRecord) -> bool:
    if record.present:
        return set(record.undecisive) >= set(record.tasks)
    return bool(record.held_out) and all(dice == 1.0 for dice in record.held_out.values())  # an early record
