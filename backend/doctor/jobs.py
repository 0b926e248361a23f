"""The last error of each kind of job, and what waits for a person."""

from __future__ import annotations

from backend.doctor.labels import is_about_labels
from backend.doctor.redis_server import open_redis
from backend.finding import Finding, Severity
from backend.project.status import last_errors
from backend.queue import project_jobs
from backend.queue.connection import Keys, as_text
from backend.queue.pending_work import Work
from backend.settings import Settings


def check_jobs(settings: Settings, project_id: int) -> list[Finding]:
    """The last error of each kind of job, which the next success of that kind removes;
    and what waits for a person."""
    redis = open_redis(settings)
    again = {
        Work.TRAINING: f"python -m backend train --project {project_id} --wait",
        Work.ROUND: f"python -m backend recompute --project {project_id} --wait",
        project_jobs.ROLLBACK: f"python -m backend recompute --project {project_id} --wait",
    }
    found = []
    for kind, error in sorted(last_errors(redis, project_id).items()):
        text = f"the last {kind} failed: {error.message}"
        if kind in again:
            found.append(Finding("jobs", Severity.ERROR, text, again[kind]))
        else:
            found.append(
                Finding(
                    "jobs",
                    Severity.WARNING,
                    f"{text} It is tried again by itself, at the latest after ten minutes.",
                )
            )
    notes = redis.hgetall(Keys(project_id).notes)
    found += [
        Finding("warnings", Severity.WARNING, as_text(text))
        for subject, text in sorted(notes.items())
        # Those of the connection and the labels are told above.
        if not as_text(subject).startswith("connection:") and not is_about_labels(as_text(subject))
    ]
    return found or [Finding("jobs", Severity.OK, "the last one of each kind succeeded")]
