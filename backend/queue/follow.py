"""How far a job is, and the jobs that continue it."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import TypedDict

from redis import Redis
from rq.job import Job, JobStatus

from backend.errors import QueueError
from backend.queue import progress
from backend.queue.connection import KEPT_SECONDS, Keys, as_text, connection
from backend.queue.project_jobs import FINISH, WAITING, fetch, training_id

STATES = {
    JobStatus.STARTED: "running",
    JobStatus.FINISHED: "finished",
    JobStatus.CANCELED: "cancelled",
    JobStatus.STOPPED: "cancelled",
}


class JobState(TypedDict, total=False):
    """How far a job is; the same in JSON."""

    job: str
    state: str  # "queued" | "running" | "finished" | "failed" | "cancelled"
    message: str  # what it came to, once it has ended
    step: str | None  # in words
    done: int | None  # parts of the step
    total: int | None
    rows_done: int  # networks of a round
    rows_total: int
    seconds_left: float | None  # in this step


def follow(project_id: int, job_id: str, *, seconds: float = 0.5) -> Iterator[JobState]:
    """The progress of a job and of the jobs that continue it, asked for every so many seconds, until the end:
    the last one has one of the last three states. Raises QueueError for an unknown job.
    """
    redis = connection()
    while True:
        job = fetch(redis, job_id)
        if job is None:
            raise QueueError(f"There is no job {job_id!r}; jobs are kept for {KEPT_SECONDS // 86400} days.")
        status = job.get_status()  # asked once: it may change meanwhile
        state = STATES.get(status, "queued" if status in WAITING else "failed")
        result = job.return_value() if state == "finished" else None
        result = result if isinstance(result, dict) else {}
        if result.get("next"):
            job_id = result["next"]
            continue
        if result.get("stopped"):
            state = "cancelled"
        message = str(result.get("stopped") or result.get("reason") or "")
        yield {
            "job": job_id,
            "state": state,
            "message": _reason(job) if state == "failed" else message,
            **_progress(redis, project_id, job),
        }
        if state in ("finished", "failed", "cancelled"):
            return
        time.sleep(seconds)


def start_rows(redis: Redis, project_id: int, round_name: str, total: int) -> None:
    """Note how many units the newest round has, for people to see."""
    content = {"round": round_name, "total": total, "started": time.time()}
    redis.hset(Keys(project_id).jobs, "rows", json.dumps(content))


def rows(redis: Redis, project_id: int) -> tuple[str, int, int, float | None]:
    """Of the newest round:
    its name, how many of its units are done, how many there are, and the seconds that the others will
    take."""
    keys = Keys(project_id)
    name = as_text(redis.get(keys.wanted_round) or "")
    state = redis.hget(keys.jobs, "rows") if name else None
    if not state:
        return name, 0, 0, None
    content = json.loads(state)
    if content["round"] != name:
        return name, 0, 0, None
    done = int(redis.scard(keys.rows(name)))
    left = (time.time() - content["started"]) / done * (content["total"] - done) if done else None
    return name, done, content["total"], None if left is None else round(left, 1)


def _progress(redis: Redis, project_id: int, job: Job) -> JobState:
    """Step and rows of a job; a round that waits for its units shows theirs."""
    found: JobState = {
        "step": "",
        "done": 0,
        "total": 0,
        "rows_done": 0,
        "rows_total": 0,
        "seconds_left": None,
    }
    entries = progress.running(redis, project_id)
    own = [entry for entry in entries if entry["job"] in (training_id(job.id), job.id)]
    if own:
        entry = own[0]
        found.update(
            {
                "step": entry.get("step"),
                "done": entry.get("done"),
                "total": entry.get("total"),
                "seconds_left": entry.get("seconds_left"),
            }
        )
    if job.meta.get("kind") == FINISH:
        _, done, total, left = rows(redis, project_id)
        found.update({"rows_done": done, "rows_total": total})
        if not own and total and done < total:
            found.update({"step": "Networks trained", "done": done, "total": total, "seconds_left": left})
    return found


def _reason(job: Job) -> str:
    """The last line of a failed job's traceback."""
    result = job.latest_result()
    lines = [line for line in (result.exc_string or "").splitlines() if line.strip()] if result else []
    return (
        lines[-1].removeprefix("backend.errors.").removeprefix("model.errors.")
        if lines
        else "The worker was killed."
    )
