"""The sync of a project with Label Studio, each minute and after events:
what has changed there, and what is to be done about it."""

from __future__ import annotations

import logging
import shutil
import time
from contextlib import suppress

from backend.errors import UnknownProjectError, VersionError
from backend.jobs.masks.added_masks import add_masks, place_new
from backend.jobs.masks.refit import refit_masks
from backend.jobs.promotion import cache_version
from backend.jobs.round import features, next_places
from backend.jobs.round.finish import tell_round
from backend.jobs.round.start import FIRST_ORDER, compares_pixels
from backend.jobs.superseded import clear_superseded
from backend.jobs.training import label_changes
from backend.labelstudio.skips import read_skips, skipped_since
from backend.project import missing_images, skipped_tasks
from backend.project.context import Context, Setup
from backend.project.missing_images import Lacks
from backend.project_settings import FEWEST_LABELS_TO_RANK
from backend.queue import pending_work, project_jobs
from backend.queue.pending_work import Work
from backend.queue.progress import Progress
from backend.queue.project_info import ProjectInfo
from backend.store.round_record import RoundRecord, round_in_force
from backend.store.version_history import goes_forward
from backend.store.version_record import Learner
from backend.store.versions import NO_VERSION

log = logging.getLogger(__name__)

GONE = "gone"
"""What the note is about that the project is not in Label Studio any more."""
SECONDS_BETWEEN_FULL_SYNCS = 600.0
"""A project in which nothing has changed is synced in full only so often: it lists all its tasks."""


def reconcile(context: Context, progress: Progress) -> None:
    """Compare the project with what is known of it, and start what is due;
    writes only what is missing, so events it causes end there."""
    try:
        setup = context.setup()
    except UnknownProjectError as error:
        _give_up(context, error)
        return
    _reconcile(context, setup, progress)
    features.advance(context, setup, progress)


def _reconcile(context: Context, setup: Setup, progress: Progress) -> None:
    context.note(GONE, "")
    context.note("config", " ".join(setup.config.warnings))
    context.note("config_changed", _other_labels_than_trained(context, setup))
    cache_version(context)
    if ProjectInfo.load(context.redis, context.project_id).tasks == 0 and setup.project.tasks:
        pending_work.request(
            context.redis, context.project_id, Work.CONFIGURE
        )  # the tab is made only where there are tasks
    labelled, changed = context.client.labelled_since(context.project_id)
    seen = ProjectInfo(title=setup.project.title, tasks=setup.project.tasks, labelled=labelled)
    seen.save(context.redis, context.project_id)
    if not pending_work.is_paused(context.redis, context.project_id, labelled):
        _look_at_labels(context, setup, labelled, changed)
    busy = project_jobs.active(
        context.redis, context.project_id, Work.ROUND
    )  # asked first: it may end while the record of before is read
    record = round_in_force(context.storage, context.project_id)
    if record is None:
        _want_first_order(context, setup)
        return
    if not busy:
        tell_round(context, record)
        _take_up_returned(context, setup, record)
    refit_masks(context, setup.config, record, progress)
    clear_superseded(context, progress, setup.project.model_version)
    state = _state(context, setup, record, labelled)
    if _unchanged(context, state):
        return
    open_tasks = list(context.list_tasks().open)
    skips = read_skips(context.client, setup.project)
    skipped_tasks.note(context.redis, context.project_id, skips)
    if busy:  # it takes in new tasks at its end, and wants a sync then
        if round_in_force(context.storage, context.project_id) == record:  # else it has just come to its end
            _note_answered(context, record, open_tasks)
        return
    _note_answered(context, record, open_tasks)
    waited_for = set(open_tasks) - skips.done
    if waited_for and (reason := _reason_for_round(context, setup, record, waited_for)):
        _want_round(context, reason)
    elif _other_labels(context, setup, record):
        _want_round(context, "the labels of the configuration have changed")
    if not open_tasks or project_jobs.active(context.redis, context.project_id, Work.ROUND):
        return  # one has begun since
    _keep_in_force(context, setup, record)
    placed = place_new(context, setup, record, progress)
    if placed:
        _want(context, Work.LIVE)
    added = add_masks(context, setup, record, progress)
    if not placed and not added:
        ProjectInfo(looked=f"{time.time()} {state}").save(context.redis, context.project_id)


def _reason_for_round(context: Context, setup: Setup, record: RoundRecord, waited_for: set[int]) -> str:
    """Why the order in force is to be renewed; empty while it holds, or live turns see to it.
    `waited_for` are the open tasks that somebody is still served."""
    if setup.options.live and compares_pixels(setup.options):
        return ""
    if record.cold_start and _has_enough(context, record):
        return "there are enough labels to compare images"
    labelled = context.list_tasks().labelled
    if (
        record.batch and not set(record.batch) & waited_for - labelled
    ):  # also with what came since the open ones were read
        return "the batch is finished"
    if record.asked_of(waited_for - labelled):
        return ""
    # Records of earlier editions do not tell which labels could not be used:
    # there, those of tasks that were open then count.
    unseen = (
        labelled - {*record.labels, *record.unusable}
        if record.unusable is not None
        else labelled & set(record.order)
    )
    if len(unseen) >= record.budget:
        return f"{len(unseen)} labels came since the last order"
    return ""


def _give_up(context: Context, error: UnknownProjectError) -> None:
    """The project is gone from Label Studio: nothing syncs it any more, and the status says so.
    Its models stay, its images do not."""
    log.warning("the project is gone from Label Studio; it is not synced any more: %s", error)
    pending_work.forget(context.redis, context.project_id)
    text = (
        f"{error} Nothing is done for it any more. Its models are still in"
        f" {context.storage.path(context.folder)}."
    )
    context.note(GONE, text)
    shutil.rmtree(context.image_cache, ignore_errors=True)


def _note_answered(context: Context, record: RoundRecord, open_tasks: list[int]) -> None:
    """Which tasks of the order are labelled or deleted:
    also those whose event was lost while the web server was away."""
    noted = {int(member) for member in context.redis.smembers(context.keys.labelled)}
    done = set(record.order) - set(open_tasks)
    if done - noted:
        context.redis.sadd(context.keys.labelled, *(done - noted))
    if reopened := noted & set(record.order) - done:
        context.redis.srem(context.keys.labelled, *reopened)


def _state(context: Context, setup: Setup, record: RoundRecord, labelled: int) -> str:
    """What the sync depends on, as far as few small requests tell;
    while it stays the same, nothing is to be done."""
    project = setup.project
    answered = context.redis.scard(context.keys.labelled)
    version = context.versions.current()
    skips = f"{project.skip_queue} {skipped_since(context.client, context.project_id)}"
    return (
        f"{project.tasks} {project.labelled} {project.model_version} {labelled} {answered} {version}"
        f" {record.round} {skips}"
    )


def _unchanged(context: Context, state: str) -> bool:
    """Whether nothing has changed since a sync that found nothing to do;
    now and then it does all nevertheless, and where a wrong clock says that it was long after now."""
    looked = ProjectInfo.load(context.redis, context.project_id).looked or ""
    when, _, before = looked.partition(" ")
    return before == state and abs(time.time() - float(when)) < SECONDS_BETWEEN_FULL_SYNCS


def _look_at_labels(context: Context, setup: Setup, labelled: int, changed: str) -> None:
    """Want a training for labels that no event told of (the service was away), and for other labels in the
    configuration.

    `changed` is when a labelled task was changed last.
    """
    if pending_work.pending(context.redis, context.project_id, Work.TRAINING).outstanding:
        return
    if project_jobs.active(context.redis, context.project_id, Work.TRAINING):
        return  # it tells what it has seen once it has read the labels; the next sync compares with that
    before = ProjectInfo.load(context.redis, context.project_id)
    trained = before.trained_count or 0
    differs = label_changes(context, setup, labelled, changed)
    if labelled != trained:
        log.info("%d labelled tasks, %s at the last training", labelled, trained)
        pending_work.request_training(context.redis, context.project_id, labels=max(0, labelled - trained))
    elif before.trained_changed and differs & {"trained_changed", "trained_annotations"}:
        log.info(
            "a label was changed at %s, the last training saw those until %s", changed, before.trained_changed
        )
        pending_work.request_training(context.redis, context.project_id, labels=1)
    elif before.trained_labels and labelled and before.trained_labels != setup.config.labels:
        log.info("the labels are now %s", ", ".join(setup.config.labels))
        pending_work.request_training(context.redis, context.project_id)


def _take_up_returned(context: Context, setup: Setup, record: RoundRecord) -> None:
    """Go on with images that could not be read before and can be now."""
    back = missing_images.returned(context, setup.config)
    if not back:
        return
    missing_images.draw_again(context, record.round)
    ProjectInfo().save(context.redis, context.project_id, forget=("looked",))  # this sync is a full one
    if Lacks.TRAINING in back:
        pending_work.request_training(context.redis, context.project_id)
    if Lacks.ORDER in back:
        _want_round(context, "images that could not be read are there again")


def _has_enough(context: Context, record: RoundRecord) -> bool:
    """Whether a model has come since a cold start that has seen enough labels for its pseudo-labels to be
    compared. The U-Net tells also where a pixel classifier draws the masks: its trainings come with the
    batches."""
    model, tried = context.versions.current_record(), record.version
    if model is None or model.kind is Learner.UNET:
        newer = model is not None and model.name != tried
    else:
        model, tried = context.versions.newest_record(Learner.UNET), record.origin.partition(".")[0]
        newer = model is not None and goes_forward(tried, model.name)
    return newer and model is not None and len(model.tasks) >= FEWEST_LABELS_TO_RANK


def _other_labels_than_trained(context: Context, setup: Setup) -> str:
    """What is to be said while the version in use knows other labels than the configuration;
    empty if it knows these."""
    with suppress(VersionError):  # damaged: doctor tells
        current = context.versions.current_record()
        if current is not None and current.labels != setup.config.labels:
            return (
                f"{current.name} was trained on the labels {', '.join(current.labels)}, and the labelling"
                f" configuration now has {', '.join(setup.config.labels)}: only labels of the same name are"
                " pre-annotated, and the order does not compare images, until a version trained on these is"
                " in use."
            )
    return ""


def _other_labels(context: Context, setup: Setup, record: RoundRecord) -> bool:
    """Whether the order shows masks of a version with other labels than the configuration, and the one in use
    has these."""
    current = context.versions.current_record()
    if (
        current is None
        or current.labels != setup.config.labels
        or record.version in (NO_VERSION, current.name)
    ):
        return False
    try:
        return context.versions.record(record.version).labels != current.labels
    except VersionError:  # damaged: nothing is known of it
        return False


def _want_round(context: Context, reason: str) -> None:
    if _want(context, Work.ROUND):
        log.info("a new round: %s", reason)
        ProjectInfo(round_reason=reason).save(context.redis, context.project_id)


def _want_first_order(context: Context, setup: Setup) -> None:
    """An order by looks at once, whether there are labels or not;
    with a model already, a round that compares images, unless a live turn does."""
    if context.versions.current() is None or setup.options.live:
        _want(context, Work.FIRST_ORDER)
    else:
        _want_round(context, FIRST_ORDER)


def _want(context: Context, work: Work) -> bool:
    """Want some work unless it is wanted or under way already, or a person cancelled it;
    returns whether it was wanted just now."""
    if ProjectInfo.load(context.redis, context.project_id).held:
        return False
    pending = pending_work.pending(context.redis, context.project_id, work)
    if pending.outstanding or project_jobs.active(context.redis, context.project_id, work):
        return False
    pending_work.request(context.redis, context.project_id, work)
    return True


def _keep_in_force(context: Context, setup: Setup, record: RoundRecord) -> None:
    """Connecting a backend, or a person, may have set another version; then the order is not served."""
    if setup.project.model_version == record.served_as:
        next_places.restore(context, record)
        return
    if context.client.versions(context.project_id).get(record.served_as):
        log.info("%r back to %s", setup.project.model_version, record.served_as)
        context.client.switch_version(context.project_id, record.served_as)
    else:
        _want_round(context, f"the order {record.served_as} is not in Label Studio any more")
