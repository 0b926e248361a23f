"""Training a project's model on all its labels, from scratch, and publishing it as a version if it is not
clearly worse."""

from __future__ import annotations

import dataclasses
import logging
import time
from collections.abc import Callable

import numpy as np

from backend.errors import StoppedError
from backend.jobs.promotion import deciding, keep, put_in_use
from backend.project import missing_images
from backend.project.context import Context, Setup
from backend.project.labels.kept_labels import KeptLabels
from backend.project.labels.labels import Labels, read_labels
from backend.project.labels.review import name_task, nothing_to_learn, review, undecisive
from backend.project.live_quality import LiveQuality
from backend.project.missing_images import Lacks
from backend.queue import pending_work
from backend.queue.job_result import JobResult
from backend.queue.lease import Fence
from backend.queue.pending_work import Work
from backend.queue.progress import Progress
from backend.queue.project_info import ProjectInfo
from backend.stopping import stopped_by
from backend.store.version_comparison import assign_folds
from backend.store.version_record import Learner, VersionRecord, trained_by
from backend.store.versions import now
from model.network.dice import dice
from model.network.inference import Segmenter, predict_masks
from model.network.recipe import Recipe
from model.network.training import train

log = logging.getLogger(__name__)

FOLD_STEPS = 0.5
"""Share of the steps that the networks of the folds are trained for:
they only tell versions apart, and cost k times."""


def run_training(context: Context, progress: Progress, fence: Fence, *, job_id: str) -> JobResult:
    """Train on all labels of the project and publish the version;
    the holder of the project's training fence calls it.

    Returns {"version": name or None, "published", "labels", "reason"}.
    A job that ran before and was killed after it published returns what it published.
    Without usable labels nothing is trained.
    """
    started = time.monotonic()
    begun = pending_work.begin(context.redis, context.project_id, Work.TRAINING)
    done = context.versions.of_job(job_id)
    if done is not None:
        with deciding(context):
            return _publish(context, done, fence, begun)
    setup = context.setup()
    attempt = _seen(setup, *context.client.labelled_since(context.project_id))
    live = LiveQuality(context.storage, context.folder, setup.config)
    kept = KeptLabels.of(context, setup)
    # All of them: what live turns cannot notice, as another image in place of an unreadable one, ends here.
    labels = read_labels(context, setup, progress, live.see, kept=kept, anew=True)
    live.save()
    kept.save()
    missing_images.remember(context, Lacks.TRAINING, labels.missing)
    attempt.save(context.redis, context.project_id)
    notes = review(labels, setup.config)
    for subject, text in notes.items():
        context.note(subject, text)
        if text:
            log.warning("%s", text)
    nothing = nothing_to_train_on(labels, notes)
    if nothing:
        pending_work.finish(context.redis, context.project_id, Work.TRAINING, begun)
        log.info("not trained: %s", nothing)
        return {"version": None, "published": False, "labels": 0, "reason": nothing}
    current = context.versions.current_record()
    folds = assign_folds(labels.ids, setup.options.folds, current.folds if current else {})
    wanted = VersionRecord(
        name="",  # known once no other version can come in between
        job=job_id,
        created=now(),
        labels=setup.config.labels,
        tasks={task: labels.digests[task] for task in labels.ids},
        seed=setup.options.seed,
        recipe=setup.recipe.to_dict(),
        folds=folds,
        present={task: labels.present[task] for task in labels.ids},
        undecisive=tuple(undecisive(labels)),
        warnings=tuple(name_task(task, problem) for task, problem in labels.problems.items()),
    )
    # An earlier run may have done it, and then found the shared storage away.
    model, record = context.versions.unfinished(wanted) or _train(setup, labels, wanted, progress, started)
    progress.check()
    context.versions.set_aside(model, record)
    with deciding(context):  # a rollback may have put another version in use since the training began
        record = keep(context, model, record, measured=setup.options.folds > 1, check=fence.check)
        return _publish(context, record, fence, begun)


def _train(
    setup: Setup, labels: Labels, wanted: VersionRecord, progress: Progress, started: float
) -> tuple[Segmenter, VersionRecord]:
    """The network of all labels, and its record with the held-out dice and the seconds since `started`
    (monotonic)."""
    plan = _Plan(progress, setup, wanted.folds)
    held_out = _held_out(setup, labels, wanted.folds, plan)
    model = train(
        [labels.images[task] for task in labels.ids],
        [labels.masks[task] for task in labels.ids],
        classes=setup.config.classes,
        recipe=setup.recipe,
        seed=setup.options.seed,
        on_step=plan.step(),
    )
    return model, measured_record(wanted, held_out, time.monotonic() - started)


def measured_record(record: VersionRecord, held_out: dict[str, float], seconds: float) -> VersionRecord:
    """A record with the dice on held-out tasks, their mean without the undecisive, and how long it took."""
    told = [value for task, value in held_out.items() if task not in record.undecisive]
    mean = round(float(np.mean(told)), 4) if told else None
    return dataclasses.replace(record, held_out=held_out, held_out_dice=mean, seconds=round(seconds, 1))


def _publish(context: Context, record: VersionRecord, fence: Fence, begun: pending_work.Begun) -> JobResult:
    """Put a saved version in use if it is to be;
    safe to repeat, also after it was put in use and rolled back."""
    record = put_in_use(context, record, check=fence.check)
    fence.check()
    pending_work.finish(context.redis, context.project_id, Work.TRAINING, begun)
    log.info(
        "%s trained on %d labels in %.0f s, held-out dice %s, %s: %s",
        record.name,
        len(record.tasks),
        record.seconds,
        record.held_out_dice,
        "published" if record.published else "not published",
        record.reason,
    )
    return {
        "version": record.name,
        "published": record.published,
        "labels": len(record.tasks),
        "reason": record.reason,
    }


def labels_came(context: Context) -> bool:
    """Whether labels came, went or were changed since the last training.

    An event may tell of less: what was deleted may have been a skip. Then what is wanted is done.
    """
    redis, project_id = context.redis, context.project_id
    begun = pending_work.standing(redis, project_id, Work.TRAINING)
    pending = pending_work.pending(redis, project_id, Work.TRAINING)
    if (
        not pending.outstanding or pending.labels > 0 or pending.tried >= pending.since
    ):  # a run that began since did not come to its end
        return pending.outstanding
    if label_changes(context, context.setup(), *context.client.labelled_since(project_id)):
        return True
    pending_work.finish(redis, project_id, Work.TRAINING, begun)
    return False


def _seen(setup: Setup, count: int, changed: str) -> ProjectInfo:
    """What a training notes that it saw:
    labelled tasks, when one of them was changed last, annotations, labels of the configuration."""
    return ProjectInfo(
        trained_count=count,
        trained_changed=changed,
        trained_annotations=setup.project.annotations,
        trained_labels=setup.config.labels,
    )


def label_changes(context: Context, setup: Setup, count: int, changed: str) -> set[str]:
    """What differs from what the last training saw, by the names of `_seen`;
    `count` and `changed` are those of `labelled_since`.

    A task is also changed by other things than its labels, such as the deletion of a prediction:
    that is no difference.
    """
    seen, before = _seen(setup, count, changed), ProjectInfo.load(context.redis, context.project_id)
    names = ("trained_count", "trained_changed", "trained_annotations", "trained_labels")
    differs = {name for name in names if getattr(before, name) != getattr(seen, name)}
    if before.trained_annotations is None:  # an earlier edition has not noted the annotations
        differs.discard("trained_annotations")
    if differs != {"trained_changed"} or not before.trained_changed or before.trained_annotations is None:
        return differs
    if context.client.annotations_changed(context.project_id, before.trained_changed):
        return differs
    ProjectInfo(trained_changed=changed).save(context.redis, context.project_id)
    return set()


def needs_training(context: Context, setup: Setup) -> str:
    """Why a round should train first; empty when the version trained last is up to date."""
    if labels_came(context):
        return "labels came since the last training"
    record = context.versions.newest_record(Learner.UNET)  # in use or not: it would come out the same again
    if record is None:
        return "there is no model yet"
    if record.labels != setup.config.labels:
        return "the labels of the configuration have changed"
    if trained_by(record.recipe) != trained_by(setup.recipe.to_dict()):
        return "the training settings have changed"
    return ""


def planned_steps(recipe: Recipe, folds: int) -> int:
    """Steps of a training's networks together: the one of all labels, and one for each fold."""
    return recipe.steps + _fold_steps(recipe) * (folds if folds > 1 else 0)


def _fold_steps(recipe: Recipe) -> int:
    return max(1, round(recipe.steps * FOLD_STEPS))


class _Plan:
    """Turns the steps of several networks into one progress."""

    def __init__(self, progress: Progress, setup: Setup, folds: dict[str, int]) -> None:
        self.progress = progress
        self.fold_steps = _fold_steps(setup.recipe)
        self.total = planned_steps(setup.recipe, len(set(folds.values())))
        self.before = 0

    def step(self, *, of_fold: bool = False) -> Callable[[int, int], None]:
        """The callback of one network's training."""
        before = self.before
        self.before += self.fold_steps if of_fold else 0

        def on_step(step: int, _steps: int) -> None:
            self.progress("Training", before + step, self.total)

        return on_step


def _held_out(setup: Setup, labels: Labels, folds: dict[str, int], plan: _Plan) -> dict[str, float]:
    """The dice of each labelled task under a network that was trained on the other folds."""
    scores: dict[str, float] = {}
    for fold in sorted(set(folds.values())):
        seen = [task for task in labels.ids if folds[task] != fold]
        held = [task for task in labels.ids if folds[task] == fold]
        network = train(
            [labels.images[task] for task in seen],
            [labels.masks[task] for task in seen],
            classes=setup.config.classes,
            recipe=setup.recipe,
            seed=setup.options.seed + 1 + fold,
            steps=plan.fold_steps,
            on_step=plan.step(of_fold=True),
        )
        for task, mask in zip(
            held, predict_masks(network, (labels.images[task] for task in held)), strict=True
        ):
            scores[task] = round(dice(mask, labels.masks[task], setup.config.classes), 4)
    return scores


def nothing_to_train_on(labels: Labels, notes: dict[str, str]) -> str:
    """Why no network is trained; empty if one can be."""
    if not labels.seen:
        return "no label yet"
    if not labels.masks:
        return f"none of the {labels.seen} labels can be used: {' '.join(filter(None, notes.values()))}"
    return nothing_to_learn(labels)


def fenced_training(context: Context, job_id: str, *, wait: float, needed: Callable[[], bool]) -> JobResult:
    """`run_training` under the project's fence, if it is still `needed` once the fence is free.

    A run that still holds it after `wait` seconds is alive and does the work instead.
    Raises StoppedError when the job was cancelled or lost its fence;
    every other error is noted for the status and raised.
    """
    fence = Fence(context.redis, context.keys.fence("training"))
    progress = Progress(context.redis, context.project_id, job_id, "training")
    until = time.monotonic() + wait
    nothing: JobResult = {"version": None, "published": False, "labels": 0}
    try:
        while not fence.take(wait=min(2.0, wait)):
            progress.check()
            if time.monotonic() >= until:
                return {**nothing, "reason": "another run of this training is alive and goes on"}
        progress.fences.append(fence.check)
        with fence, stopped_by(progress.check):
            if not needed():
                return {**nothing, "reason": "another training has just done it"}
            result = run_training(context, progress, fence, job_id=job_id)
            context.note_error("training", job_id, "")
            return result
    except StoppedError:
        raise
    except Exception as error:
        pending_work.fail(context.redis, context.project_id, Work.TRAINING)
        context.note_error("training", job_id, f"{type(error).__name__}: {error}")
        raise
    finally:
        progress.end()
