"""What a project does and what comes next, in words."""

from __future__ import annotations

from dataclasses import dataclass

from backend.project.job_words import FAILED, RUNNING, list_waiting
from backend.project.project_status import LastError, ProjectStatus
from backend.project.skipped_tasks import Skipped
from backend.project.time_spent import duration
from backend.project_settings import FEWEST_LABELS_TO_RANK
from backend.settings import Settings
from backend.store.version_history import goes_forward

SKIPPED = {
    "REQUEUE_FOR_OTHERS": (
        "Everyone who labels here has skipped them, and Label Studio serves nobody an image again that they"
        " skipped. Nothing waits for them."
    ),
    "REQUEUE_FOR_ME": (
        "Label Studio serves each again to who skipped it, once nothing else is left for that person. "
        "Nothing waits for them."
    ),
    "IGNORE_SKIPPED": (
        "The project counts skipped images as labelled (ignore skipped): nobody is served them, and none is"
        " learnt from."
    ),
}
"""By what Label Studio does with a skipped task."""
_BRIEF = ("look", "configure")
"""Jobs of a second, not worth a word while nothing else waits."""


STOPPED = "Stopped by a person"


@dataclass(frozen=True)
class Headline:
    """One line on what happens, and what the reader may do about it."""

    title: str
    text: str
    busy: bool = False
    failed: bool = False


def headline(state: ProjectStatus, settings: Settings) -> Headline:
    """What the project does now and what comes next."""
    running = state.running
    waiting = [kind for kind in state.waiting if kind not in _BRIEF]
    if running:
        title = _forward(state) or RUNNING.get(running.kind, "Working")
        behind = [kind for kind in waiting if kind != "finish"]  # which is part of the round that runs
        text = f" In the queue behind it: {list_waiting(behind)}." if behind else ""
        order = "in the order below" if state.round else "in a random order until the first one is written"
        return Headline(title, f"Annotators can go on meanwhile, {order}.{text}", busy=True)
    if waiting:
        listed = list_waiting(waiting)
        begins = (
            "It does not begin before what is missing is started (below)."
            if state.stalled
            else "It begins as soon as a worker is free."
        )
        return Headline("Waiting for a worker", f"In the queue: {listed}. {begins}", busy=True)
    if state.last_error:
        return failure(state.last_error)
    return _idle(state, settings)


def _forward(state: ProjectStatus) -> str:
    """What a rollback is called that puts a newer version in use."""
    to = state.running.version if state.running else None
    forward = to and state.version and goes_forward(state.version.name, to)
    return f"Switching forward to {to}" if forward else ""


def failure(error: LastError) -> Headline:
    """That a job failed, and what becomes of it."""
    retried = "The service tries again by itself after a pause, and at once when you ask for it"
    again = "Ask for it again" if error.kind == "rollback" else retried
    text = f"Model, labels and order are as they were before. {again}; the message tells what to fix."
    return Headline(FAILED.get(error.kind, "The last round failed"), text, failed=True)


def _idle(state: ProjectStatus, settings: Settings) -> Headline:
    labels, version, round_ = state.labels, state.version, state.round
    labelled = state.images.labelled
    if state.disconnected:
        return Headline("Disconnected", "What stands below is of before; Label Studio serves its own order.")
    if state.held:
        order = (
            f"Annotators go on in {round_.title}."
            if round_
            else "There is no order yet; images come at random."
        )
        parts = (_trained(state), order, "It goes on with the next label, or when you ask for it.")
        return Headline(STOPPED, " ".join(filter(None, parts)))
    learnt = state.live and version is not None and version.labels >= labelled
    if (labels.waiting or labels.changed) and not learnt:
        new = labels.waiting
        title = "Labels were changed" if labels.changed else f"{new} new {plural(new, 'label')}"
        if state.stalled:
            return Headline(title, "No training starts before what is missing is started (below).")
        when = (
            f"{settings.quiet_seconds:.0f} seconds after the last label, or at {settings.labels_to_train}"
            " labels"
        )
        return Headline(title, f"A training starts {when}{_takes(state)}; then the order is looked at again.")
    if round_ is None:
        when = (
            "as soon as what is missing is started (below)"
            if state.stalled
            else "within a minute of the first task"
        )
        return Headline(
            "Connected", f"The first order is made {when}. Import images in Label Studio if there are none."
        )
    if not state.next_tasks:
        return _nothing_left(state)
    if version is None or round_.cold_start:
        if state.live and not labelled:
            text = (
                "With the first label, a model draws masks into the others, and the order follows each label."
            )
            return Headline("Label an image", text)
        missing = max(1, FEWEST_LABELS_TO_RANK - labelled)
        if labelled < FEWEST_LABELS_TO_RANK and not state.live:
            text = (
                f"{labelled} of {FEWEST_LABELS_TO_RANK} labels are there. With all, a model is trained, and"
                " the order follows the labels."
            )
            return Headline(f"Label {missing} more {plural(missing, 'image')}", text)
        return Headline(
            "Ready for labels",
            "The images are in an order by their looks alone; why stands below.",
        )
    served = "Annotators who click “Label All Tasks” get the images below, in this order."
    if version.name != round_.version:
        since = (
            f"{version.name} is in use, while {round_.title} and its masks are still those of"
            f" {round_.version}."
        )
        most = (
            f", at the latest after {round_.budget} {plural(round_.budget, 'label')},"
            if round_.budget
            else ","
        )
        text = (
            f"{since} They are renewed when the batch is done{most} or when you compute a new order. {served}"
        )
        return Headline("Ready for labels", text)
    return Headline("Ready for labels", f"{_trained(state) or 'Model and order are up to date.'} {served}")


def _nothing_left(state: ProjectStatus) -> Headline:
    skipped = state.skipped.count
    more = "Import more images in Label Studio; they are put in order by themselves."
    if not skipped:
        return Headline("Every image is labelled", more)
    which = "The open image is skipped" if skipped == 1 else f"All {skipped} open images are skipped"
    return Headline(
        which, "Nothing else is left to label. Put them back (below), or import more images in Label Studio."
    )


def _trained(state: ProjectStatus) -> str:
    """That labels are not in the model in use; empty where all are."""
    version, labelled, trained = state.version, state.images.labelled, state.labels.trained
    if labelled <= trained:
        return ""
    if version is None:
        return f"No model is trained on the {labelled} {plural(labelled, 'label')} yet."
    return f"{version.name} is in use, trained on {trained} of {labelled} labels."


def _takes(state: ProjectStatus) -> str:
    seconds = state.training_seconds
    return f", and takes about {duration(seconds)}" if seconds else ""


def skipped_text(skipped: Skipped) -> str:
    """What becomes of the skipped images, by Label Studio's setting."""
    return SKIPPED[skipped.queue]


def plural(count: int, noun: str) -> str:
    """The noun, with an s unless there is one."""
    return noun if count == 1 else f"{noun}s"
