"""The functions that rq runs, by name.
Each opens its context, holds its fence, and notes for the status how it ended."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager

from backend import logs, stopping
from backend.errors import QueueError
from backend.finding import Severity
from backend.jobs import live_turn, rollback, sync
from backend.jobs.estimate import note_estimate
from backend.jobs.export import export_archive
from backend.jobs.job import TAKE_OVER_SECONDS, hold_fence, job, wait_for_answer
from backend.jobs.round import finish
from backend.jobs.round import start as rounds
from backend.jobs.training import fenced_training, labels_came, needs_training
from backend.labelstudio import skips
from backend.labelstudio.skips import read_skips
from backend.project import connection, skipped_tasks
from backend.project.connection import name_instance, own_service
from backend.project.context import Context
from backend.queue import enqueue, follow, pending_work, project_jobs
from backend.queue.job_result import JobResult
from backend.queue.lease import Fence
from backend.queue.pending_work import Work
from backend.queue.progress import Progress
from backend.queue.project_info import ProjectInfo
from backend.stopping import stopped_by
from backend.store.round_record import round_in_force
from model.export.mask_format import MaskFormat

log = logging.getLogger(__name__)

OTHER_ALIVE: JobResult = {"reason": "another run of this job is alive and goes on"}
LONGEST_SYNC = 120.0
"""How long a rollback waits for a sync, which it has told to stop."""
LONGEST_TRAINING = 24 * 3600.0
"""How long a round waits for a training of the project that another worker does."""


@job("training")
def train(context: Context, job_id: str, reason: str, only_new: bool = False) -> JobResult:
    """Train on all labels and publish the version;
    with `only_new` only if there are labels that no training has seen, or somebody asked for it meanwhile."""
    log.info("training: %s", reason)

    def needed() -> bool:
        return (
            not only_new
            or enqueue.is_asked_for(context.redis, context.project_id, job_id)
            or labels_came(context)
        )

    result = fenced_training(context, job_id, wait=TAKE_OVER_SECONDS, needed=needed)
    # The masks may be those of another version, the batch be finished, or the first round be due.
    pending_work.request(context.redis, context.project_id, Work.LIVE)
    pending_work.request(context.redis, context.project_id, Work.SYNC)
    return result


@job("round")
def start_round(context: Context, job_id: str, reason: str, train: bool = False) -> JobResult:
    """Train if labels came, take the snapshot, draw the pseudo-labels, and enqueue the units and the end;
    returns {"next": job id}."""

    def needed() -> bool:
        return train or bool(needs_training(context, context.setup()))

    # Before the fence is taken: a rollback need not wait for a training.
    if needed():
        fenced_training(context, project_jobs.training_id(job_id), wait=LONGEST_TRAINING, needed=needed)
    # The end of an earlier round may hold the fence:
    # it comes to its end, or is superseded by this one and stops.
    with hold_fence(context, "round", job_id, "round", wait=LONGEST_TRAINING) as progress:
        if progress is None:
            return OTHER_ALIVE.copy()
        progress.check()
        folder = rounds.begin_round(context, progress, rounds.Occasion(job_id, reason))
        logs.bind(round=folder.name)
        progress.checks.append(rounds.wanted(context, folder.name))
        snapshot, units = rounds.prepare_units(folder, folder.snapshot(), progress)
        progress.check()
        follow.start_rows(context.redis, context.project_id, folder.name, len(units))
        finish = enqueue.enqueue_units(context.redis, context.project_id, folder.name, units)
    log.info(
        "%s, %d labels, %d to order, %d networks to train: %s",
        "cold start" if snapshot.cold_start else snapshot.strategy,
        len(snapshot.labelled),
        len(snapshot.unlabelled),
        len(units),
        reason,
    )
    return {"round": folder.name, "next": finish}


@job(Work.FIRST_ORDER)
def write_first_order(context: Context, job_id: str) -> JobResult:
    """Order the tasks of a project that has no order yet, by their looks alone:
    annotators need not wait for a training."""
    with hold_fence(context, "round", job_id, Work.FIRST_ORDER) as progress:
        if progress is None:
            return OTHER_ALIVE.copy()
        progress.check()
        if round_in_force(context.storage, context.project_id) is not None or project_jobs.round_computes(
            context.redis, context.project_id
        ):
            begun = pending_work.begin(context.redis, context.project_id, Work.FIRST_ORDER)
            pending_work.finish(context.redis, context.project_id, Work.FIRST_ORDER, begun)
            return {"reason": "there is an order already, or one is nearly there"}
        occasion = rounds.Occasion(job_id, rounds.FIRST_ORDER, Work.FIRST_ORDER)
        folder = rounds.begin_round(context, progress, occasion)
        logs.bind(round=folder.name)
        progress.checks.append(rounds.wanted(context, folder.name))
        record = wait_for_answer(context, progress, lambda: finish.end_round(context, progress, folder.name))
        note_estimate(context, progress)
    # Labels may have come, or been trained on, meanwhile.
    pending_work.request(context.redis, context.project_id, Work.LIVE)
    pending_work.request(context.redis, context.project_id, Work.SYNC)
    return {"round": folder.name, "tasks": record.tasks, "batch": record.batch, "reason": record.message}


@job(Work.LIVE)
def take_live_turn(context: Context, job_id: str) -> JobResult:
    """Learn from the labels, and renew order and masks where they change."""
    with hold_fence(context, "round", job_id, Work.LIVE) as progress:
        if progress is None:
            return OTHER_ALIVE.copy()
        progress.check()
        with _without_sync(context, progress):
            result = live_turn.take_turn(context, progress, job_id=job_id)
    pending_work.request(context.redis, context.project_id, Work.SYNC)  # which draws the other masks
    return result


@contextmanager
def _without_sync(context: Context, progress: Progress) -> Iterator[None]:
    """Hold the fence of syncs: one that draws another version's masks must not add them to these.
    Raises QueueError when one does not end."""
    fence = Fence(context.redis, context.keys.fence("look"))
    until = time.monotonic() + LONGEST_SYNC
    while not fence.take():
        project_jobs.stop_sync(context.redis, context.project_id)  # another one follows
        progress("Waiting for a sync with Label Studio", 0, 1)
        stopping.pause(0.5)
        if time.monotonic() >= until:
            raise QueueError(
                f"A sync with Label Studio has not ended for {LONGEST_SYNC:.0f} seconds; nothing was"
                " changed. Try again."
            )
    progress.fences.append(fence.check)
    with fence:
        yield


@job(project_jobs.UNIT, noted=False)
def run_unit(context: Context, job_id: str, round_name: str, unit: str) -> JobResult:
    """Train one network of a round. May run on any worker, several at once, and more than once."""
    checks = (rounds.wanted(context, round_name),)
    progress = Progress(
        context.redis, context.project_id, job_id, project_jobs.UNIT, checks=checks, round_name=round_name
    )
    try:
        progress.check()
        with stopped_by(progress.check):
            wait_for_answer(context, progress, lambda: rounds.run_unit(context, progress, round_name, unit))
        return {"round": round_name, "unit": unit}
    finally:
        progress.end()


@job("round")
def finish_round(context: Context, job_id: str, round_name: str) -> JobResult:
    """Order all tasks and put the order in force."""
    # A live turn may hold the fence for minutes. All networks are trained by now: it is worth the wait.
    holds = hold_fence(
        context,
        "round",
        job_id,
        project_jobs.FINISH,
        round_name,
        wait=LONGEST_TRAINING,
        checks=(rounds.wanted(context, round_name),),
    )
    with holds as progress:
        if progress is None:
            return OTHER_ALIVE.copy()
        record = wait_for_answer(context, progress, lambda: finish.end_round(context, progress, round_name))
    context.note_error(project_jobs.ROLLBACK, job_id, "")  # of earlier days
    pending_work.request(context.redis, context.project_id, Work.LIVE)  # labels may have come meanwhile
    pending_work.request(context.redis, context.project_id, Work.SYNC)
    return {"round": round_name, "tasks": record.tasks, "batch": record.batch, "reason": record.message}


@job(project_jobs.ROLLBACK)
def roll_back(context: Context, job_id: str, version: str, reason: str = "", who: str = "") -> JobResult:
    """Put another version in use and its masks on show, in the order in force."""
    request = rollback.Request(version, reason, who)
    if rollback.nothing_to_do(context, request, job_id):
        return rollback.nothing_done(context, version)
    log.info("rollback to %s: %s", version, reason)
    # Rounds that run stop at this, and begin anew afterwards: what is wanted of them stays wanted.
    context.redis.set(context.keys.wanted_round, f"rollback to {version}")
    again = ProjectInfo(round_reason=f"again, after the rollback to {version}")
    again.save(context.redis, context.project_id)
    with hold_fence(context, "round", job_id, project_jobs.ROLLBACK, wait=LONGEST_TRAINING) as progress:
        if progress is None:
            return OTHER_ALIVE.copy()
        with _without_sync(context, progress):
            result = rollback.roll_back(context, progress, request, job_id=job_id)
    pending_work.request(context.redis, context.project_id, Work.SYNC)
    return result


@job(project_jobs.UNSKIP, noted=False)
def unskip(context: Context, job_id: str, tasks: list[int]) -> JobResult:
    """Put skipped tasks back; without `tasks` all that nobody is waited for."""
    del job_id
    project = context.client.project(context.project_id)
    done = skips.put_back(context.client, project.id, tasks or read_skips(context.client, project).done)
    log.info("put back: %s; still skipped: %s", done.tasks, done.kept)
    ProjectInfo().save(context.redis, context.project_id, forget=("looked",))
    pending_work.request(context.redis, context.project_id, Work.SYNC)
    return {"tasks": list(done.tasks), "kept": list(done.kept), "reason": skipped_tasks.describe(done)}


@job(project_jobs.EXPORT, noted=False)
def export_masks(context: Context, job_id: str, mask_format: str) -> JobResult:
    """Write all masks into the zip file that the status page offers."""
    with hold_fence(context, "export", job_id, project_jobs.EXPORT) as progress:
        if progress is None:
            return OTHER_ALIVE.copy()
        return export_archive(context, progress, MaskFormat(mask_format))


@job("look")
def look(context: Context, job_id: str) -> JobResult:
    """Sync the project with Label Studio. Jobs in Redis know it by this name."""
    begun = pending_work.begin(context.redis, context.project_id, Work.SYNC)
    with hold_fence(context, "look", job_id, "look") as progress:
        if progress is None:
            return OTHER_ALIVE.copy()
        sync.reconcile(context, progress)
    pending_work.finish(context.redis, context.project_id, Work.SYNC, begun)
    return {}


@job("configure")
def configure(context: Context, job_id: str) -> JobResult:
    """Check and configure the project in Label Studio, if it is connected still."""
    del job_id
    begun = pending_work.begin(context.redis, context.project_id, Work.CONFIGURE)
    backends = context.client.ml_backends(context.project_id)
    if not backends:
        pending_work.finish(context.redis, context.project_id, Work.CONFIGURE, begun)
        return {"reason": "the project has been disconnected meanwhile"}
    own = own_service(context.settings, name_instance(context.redis))
    connections = len(own.of_these(backends) or backends)
    ProjectInfo(connections=connections).save(context.redis, context.project_id)
    findings = connection.configure(context.settings, context.client, context.project_id, own)
    pending_work.register(context.redis, context.project_id)
    notes: dict[str, list[str]] = {}
    for finding in findings:
        bad = finding.severity in (Severity.WARNING, Severity.ERROR)
        notes.setdefault(finding.subject, []).extend(
            [f"{finding.text} {finding.remedy}".strip()] if bad else []
        )
        log.info("%s: %s: %s", finding.subject, finding.severity, finding.text)
    for subject, texts in notes.items():
        context.note(f"connection:{subject}", " ".join(texts))
    pending_work.finish(context.redis, context.project_id, Work.CONFIGURE, begun)
    pending_work.request(context.redis, context.project_id, Work.SYNC)
    return {
        "findings": [
            {"subject": f.subject, "severity": str(f.severity), "text": f.text, "remedy": f.remedy}
            for f in findings
        ]
    }
