"""What a project does and what comes next, in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from backend.settings import FEWEST_LABELS_TO_RANK, Settings

JOBS = {
    "training": "Training a new model",
    "first-order": "Computing the first order",
    "round": "Computing the order",
    "finish": "Writing the order",
    "rollback": "Rolling back",
}
WAITING = {
    "training": "a training",
    "first-order": "a first order",
    "round": "a new order",
    "finish": "the end of the round",
    "rollback": "a rollback",
    "look": "a look at the project",
    "configure": "a check of the connection",
}
FAILED = {
    "training": "The last training failed",
    "first-order": "The first order could not be written",
    "rollback": "The last rollback failed",
    "look": "The last look at the project failed",
    "configure": "The last check of the connection failed",
}
"""The other kinds of job are parts of a round."""
_BRIEF = ("look", "configure")
"""Jobs of a second, not worth a word while nothing else waits."""


@dataclass(frozen=True)
class Headline:
    """One line on what happens, and what the reader may do about it."""

    title: str
    text: str
    busy: bool = False
    failed: bool = False


def headline(state: Mapping[str, Any], settings: Settings) -> Headline:
    """What the project does now and what comes next. `state` is that of backend.jobs.status."""
    running = state["running"]
    waiting = [kind for kind in state["waiting"] if kind not in _BRIEF]
    if running:
        behind = [kind for kind in waiting if kind != "finish"]  # which is part of the round that runs
        text = f" In the queue behind it: {_listed(behind)}." if behind else ""
        return Headline(JOBS.get(running["kind"], "Working"), f"Annotators can go on meanwhile, in the order below.{text}", busy=True)
    if waiting:
        listed = _listed(waiting)
        return Headline("Waiting for a worker", f"In the queue: {listed}. It begins as soon as a worker is free.", busy=True)
    if state["last_error"]:
        return failure(state["last_error"])
    return _idle(state, settings)


def failure(error: Mapping[str, Any]) -> Headline:
    """That a job failed, and what becomes of it."""
    retried = "The service tries again by itself after a pause, and at once when you ask for it"
    again = "Ask for it again" if error["kind"] == "rollback" else retried
    text = f"Model, labels and order are as they were before. {again}; the message tells what to mend."
    return Headline(FAILED.get(error["kind"], "The last round failed"), text, failed=True)


def _listed(kinds: Sequence[str]) -> str:
    return " and ".join(WAITING.get(kind, kind) for kind in kinds)


def _idle(state: Mapping[str, Any], settings: Settings) -> Headline:
    new, version, round_ = state["labels"]["waiting"], state["version"], state["round"]
    labelled = state["images"]["labelled"]
    if new:
        when = f"{settings.quiet_seconds:.0f} seconds after the last label, or at {settings.labels_to_train} labels"
        return Headline(f"{new} new {plural(new, 'label')}", f"A training starts {when}{_takes(state)}; then the order is looked at again.")
    if round_ is None:
        return Headline(
            "Connected", "The first order is made within a minute of the first task. Import images in Label Studio if there are none."
        )
    if not state["next_tasks"]:
        return Headline("Every image is labelled", "Import more images in Label Studio; they are put in order by themselves.")
    if version is None or round_["cold_start"]:
        missing = max(1, FEWEST_LABELS_TO_RANK - labelled)
        if labelled < FEWEST_LABELS_TO_RANK:
            text = f"{labelled} of {FEWEST_LABELS_TO_RANK} labels are there. With all, a model is trained and images are compared."
            return Headline(f"Label {missing} more {plural(missing, 'image')}", text)
        return Headline("Ready for labels", "The images are in an order by their looks, as they cannot be compared yet (see below).")
    served = "Annotators who click “Label All Tasks” get the images below, in this order."
    if version["name"] != round_["version"]:
        since = f"{version['name']} is in use, while the order {round_['name']} and its masks are still those of {round_['version']}."
        return Headline(
            "Ready for labels", f"{since} They are renewed when the batch is labelled, or when you recompute the queries. {served}"
        )
    return Headline("Ready for labels", f"Model and order are up to date. {served}")


def _takes(state: Mapping[str, Any]) -> str:
    seconds = state.get("training_seconds")
    return f", and takes about {duration(seconds)}" if seconds else ""


def plural(count: int, noun: str) -> str:
    """The noun, with an s unless there is one."""
    return noun if count == 1 else f"{noun}s"


def duration(seconds: float | None) -> str:
    """Seconds in words, roughly; empty for None."""
    if seconds is None:
        return ""
    if seconds < 100:
        return f"{max(1, round(seconds))} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
