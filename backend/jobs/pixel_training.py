"""Training a project's pixel classifier on all its labels: a second, for each label that comes."""

from __future__ import annotations

import logging
import time
from functools import partial

from backend.jobs.promotion import deciding, keep, put_in_use
from backend.jobs.round import features
from backend.jobs.training import measured_record
from backend.project.context import Context, Setup
from backend.project.labels.labels import Labels
from backend.project.labels.review import name_task, undecisive
from backend.queue.progress import Progress
from backend.store.version_comparison import assign_folds
from backend.store.version_record import Learner, VersionRecord
from backend.store.versions import now
from model.errors import ImageError
from model.hashing import digest
from model.pixels import FeatureStore, PixelModel, PixelSample, train_pixel_models
from model.pixels.agreement import sampled_dice

log = logging.getLogger(__name__)

STEP = "Training the pixel classifier"


def train_on_pixels(
    context: Context, setup: Setup, labels: Labels, progress: Progress, *, job_id: str
) -> VersionRecord | None:
    """A pixel classifier of all labels, saved as a version and put in use if it is to be.

    Returns its record; that of the newest one where it has learnt the same already.
    None where no features can be computed of any labelled image.
    """
    started = time.monotonic()
    done = context.versions.of_job(job_id)
    if done is not None:
        with deciding(context) as fence:
            put_in_use(context, done, check=fence.check)
        return done
    store = features.open_store(context, setup.recipe.precision)
    samples, problems = _samples(store, labels, progress)
    if not samples:
        return None
    current = context.versions.current_record()
    wanted = VersionRecord(
        name="",  # known once no other version can come in between
        job=job_id,
        created=now(),
        labels=setup.config.labels,
        tasks={task: labels.digests[task] for task in samples},
        seed=setup.options.seed,
        recipe={"max_side": setup.recipe.max_side, "features": store.extractor.version},
        folds=assign_folds(list(samples), setup.options.folds, current.folds if current else {}),
        present={task: labels.present[task] for task in samples},
        undecisive=tuple(task for task in undecisive(labels) if task in samples),
        warnings=tuple(name_task(task, problem) for task, problem in (labels.problems | problems).items()),
        kind=Learner.PIXEL,
    )
    newest = context.versions.newest_record(Learner.PIXEL)
    if newest is not None and newest.same_training(wanted):
        return newest
    model, held_out = _train_and_measure(store, setup, labels, samples, wanted.folds, progress)
    record = measured_record(wanted, held_out, time.monotonic() - started)
    with deciding(context):
        record = keep(context, model, record, measured=setup.options.folds > 1, check=progress.check)
        put_in_use(context, record, check=progress.check)
    log.info(
        "%s, a pixel classifier of %d labels, in %.1f s, held-out dice %s: %s",
        record.name,
        len(record.tasks),
        record.seconds,
        record.held_out_dice,
        record.reason,
    )
    return record


def _samples(
    store: FeatureStore, labels: Labels, progress: Progress
) -> tuple[dict[str, PixelSample], dict[str, str]]:
    """The sampled pixels of the labelled images, and what is wrong with those that have none, by task id."""
    found, problems = {}, {}
    for done, task in enumerate(labels.ids, start=1):
        progress("Reading labels", done, len(labels.ids))
        try:
            # Its address tells one image from another, as everywhere in a round.
            image_digest, mask = digest(labels.tasks[task]["data"]), labels.masks[task]
            image = partial(labels.images.__getitem__, task)
            content = labels.contents[task]
            found[task] = store.sample(
                image_digest, image, mask, size=(mask.shape[0], mask.shape[1]), content=content
            )
        except ImageError as error:
            problems[task] = str(error)
            log.warning("task %s left out of the training: %s", task, error)
    return found, problems


def _train_and_measure(
    store: FeatureStore,
    setup: Setup,
    labels: Labels,
    samples: dict[str, PixelSample],
    folds: dict[str, int],
    progress: Progress,
) -> tuple[PixelModel, dict[str, float]]:
    """A classifier of all labels, and the dice of each labelled task under one that was trained on the other
    folds."""
    seed, numbers = setup.options.seed, sorted(set(folds.values()))
    parts = [list(samples), *([task for task in samples if folds[task] != fold] for fold in numbers)]
    model, *of_folds = train_pixel_models(
        [[(samples[task], labels.masks[task]) for task in part] for part in parts],
        [seed, *(seed + 1 + fold for fold in numbers)],
        classes=setup.config.classes,
        extractor=store.extractor,
        on_step=lambda done, total: progress(STEP, done, total),
    )
    scores: dict[str, float] = {}
    for fold, of_fold in zip(numbers, of_folds, strict=True):
        for task in (task for task in samples if folds[task] == fold):
            mask = labels.masks[task]
            truth = samples[task].classes_in(mask)
            found = sampled_dice(of_fold.classify(samples[task]), truth, mask, setup.config.classes)
            scores[task] = round(found, 4)
    return model, scores
