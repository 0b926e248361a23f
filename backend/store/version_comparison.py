"""Whether a new version is to take the place of the one in use:
both are compared on held-out tasks, and the same tasks are held out each time."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from backend.store.version_history import ROLLBACK
from backend.store.version_record import Learner, VersionRecord
from backend.store.versions import Versions

FEWER = "trained on fewer labels"
"""How the reason of such a version begins when it could not be compared."""
TOLERANCE = 0.05
"""A held-out dice lower by more than this, and by more than its standard error, is clearly worse."""
LITTLE = 0.01
"""Dice: a smaller difference is no news. One lower by more, and by more than its standard error, is worse."""


def assign_folds(tasks: list[str], count: int, previous: Mapping[str, int]) -> dict[str, int]:
    """The fold of each task, 0 to `count` - 1: tasks keep the one they had, new ones join the smallest.

    So two versions are compared on the same held-out tasks.
    Folds that cannot be kept (another count, or one would be empty) start anew.
    """
    count = min(count, len(tasks))
    if count < 2:
        return {}
    kept = {task: previous[task] for task in tasks if task in previous}
    for earlier in (kept if max(previous.values(), default=0) + 1 == count else {}, {}):
        folds = dict(earlier)
        sizes = [list(folds.values()).count(fold) for fold in range(count)]
        for task in tasks:
            if task not in folds:
                folds[task] = int(np.argmin(sizes))
                sizes[folds[task]] += 1
        if min(sizes) > 0:
            break
    return {task: folds[task] for task in tasks}


def compare(
    new: VersionRecord, current: VersionRecord | None, *, measured: bool = True, chosen: bool = False
) -> tuple[bool, str]:
    """Whether a new version may take the place of the current one, and why.

    Both were measured by the same procedure, on networks that had not seen the task, in the same folds (see
    `assign_folds`).
    On the tasks whose label both knew, the new one is clearly worse when its mean held-out dice is lower by
    more than max(0.05, the standard error of the differences).
    Tasks that tell nothing of a model's worth (`undecisive`) are left out.
    A version of the other kind of learner takes its place only when its mean is higher on these tasks, or,
    where they cannot be compared, when it knows more labels.
    Where nothing can be compared, a version of fewer labels than the current one waits to be chosen by a
    person, unless versions are not `measured` at all (a setting).
    What a person has `chosen` gives way only to what is not worse; anything else, to what is not clearly
    worse.
    """
    if current is None:
        return True, "the first version"
    common = common_tasks(new, current)
    why = incomparable(new, current, common)
    if why:
        count, before = _telling(new, current), _telling(current, new)
        if measured and new.kind is not current.kind and new.labels == current.labels and count <= before:
            return (
                False,
                f"{why}; the {current.kind.noun} {current.name} stays in use until they can be compared",
            )
        if count >= before:
            return True, why
        text = f"{FEWER}, {count} in place of {before}, and not to be compared with {current.name}: {why}"
        if not measured:
            return True, f"{text}; it is in use as the setting folds has every version put in use"
        return (
            False,
            (
                f"{text}. So {current.name} stays in use until there are {before} labels that count; "
                f"roll back to {new.name} to use it all the same"
            ),
        )
    if new.kind is not current.kind:
        mine, other = _means(new, current, common)
        of = f"of the {current.kind.noun} {current.name}{on_tasks(common)}"
        text = f"held-out dice {figures(mine, other)} {of}"
        return mine > other, text if mine > other else f"{text}, so {current.name} stays in use"
    differences = np.array([new.held_out[task] - current.held_out[task] for task in common])
    error = float(differences.std(ddof=1) / math.sqrt(len(common))) if len(common) > 1 else 0.0
    allowed = max(LITTLE if chosen else TOLERANCE, error)
    change = float(differences.mean())
    text = (
        f"held-out dice {change:+.3f} against {current.name} on {len(common)} tasks that both were"
        " measured on"
    )
    if change < -allowed:
        if chosen:
            return False, f"{text}: worse, so {current.name}, which a person chose, stays in use"
        return False, f"{text}: clearly worse (more than {allowed:.3f}), so {current.name} stays in use"
    return True, text


def find_better(new: VersionRecord, versions: Versions) -> VersionRecord | None:
    """The newest version of the other kind of learner if it is better than a new one on the same held-out
    tasks; None if it is not, or nobody can tell."""
    rival = versions.newest_record(new.kind.other)
    if rival is None:
        return None
    common = common_tasks(new, rival)
    if incomparable(new, rival, common):
        return None
    mine, other = _means(new, rival, common)
    return rival if other > mine else None


def describe_choice(versions: Versions) -> str:
    """Which kind of learner draws the masks, and why: a sentence for people.
    Empty where there has only ever been a U-Net, or nothing."""
    current, use = versions.current_record(), versions.uses.current()
    if current is None or use is None:
        return ""
    rival = versions.newest_record(current.kind.other)
    if rival is None and current.kind is Learner.UNET:
        return ""
    drawn = f"The {current.kind.noun} draws the masks"
    if use.by == ROLLBACK:
        return f"{drawn}: {use.person or 'a person'} chose {current.name}."
    if rival is None:
        return f"{drawn}: no U-Net is trained yet."
    common = common_tasks(current, rival)
    why = incomparable(current, rival, common)
    if why:
        return f"{drawn}: it cannot be compared yet with the {rival.kind.noun} {rival.name} ({why})."
    return f"{drawn}: {figures(*_means(current, rival, common))} of the {rival.kind.noun}{on_tasks(common)}."


def _means(new: VersionRecord, other: VersionRecord, common: list[str]) -> tuple[float, float]:
    """The mean held-out dice of both on the same tasks."""
    mine, others = (float(np.mean([each.held_out[task] for task in common])) for each in (new, other))
    return mine, others


def figures(mine: float, other: float) -> str:
    """Two dice, with as many digits as it takes to tell them apart: ".81 against .74"."""
    digits = 2 if round(mine, 2) != round(other, 2) else 4
    return " against ".join(f"{dice:.{digits}f}".removeprefix("0") for dice in (mine, other))


def on_tasks(common: list[str]) -> str:
    """ " on the same 10 images"."""
    return f" on the same {len(common)} images" if len(common) > 1 else " on the same image"


def common_tasks(new: VersionRecord, current: VersionRecord) -> list[str]:
    """The tasks on which both were measured against the same label, and that tell something."""
    return sorted(
        task
        for task in new.held_out
        if task in current.held_out
        and new.tasks[task] == current.tasks.get(task)
        and task not in {*new.undecisive, *current.undecisive}
    )


def incomparable(new: VersionRecord, current: VersionRecord, common: list[str]) -> str:
    """Why the held-out dice of two versions cannot be compared; empty if they can."""
    if new.labels != current.labels:
        return f"the labels have changed from {', '.join(current.labels)} to {', '.join(new.labels)}"
    if not common:
        return f"no held-out task in common with {current.name}"
    seen, before = _marked(new, current), _marked(current, new)
    if seen is not None and before is not None and seen != before:
        # A class that is in neither mask counts 1: who has never seen it does well wherever it is not.
        names = ", ".join(new.labels[class_id - 1] for class_id in sorted(seen ^ before))
        return f"only one of {new.name} and {current.name} has seen a label of {names}"
    return ""


def _marked(record: VersionRecord, other: VersionRecord) -> set[int] | None:
    """The classes that a version's labels mark;
    None if it is not known, as its record is an early one and the other does not tell."""
    present = record.present or {
        task: found for task, found in other.present.items() if other.tasks[task] == record.tasks.get(task)
    }
    if not present or not present.keys() >= record.tasks.keys():
        return None
    return {class_id for task in record.tasks for class_id in present[task]} - {0}


def _telling(record: VersionRecord, other: VersionRecord) -> int:
    """How many of a version's labels are decisive.

    Early records do not say so:
    then the other one tells of the labels that both have, and a dice of exactly 1, which no network reaches
    on a real label, of the rest.
    """
    idle = set(record.undecisive)
    if not record.present:
        idle |= {task for task in other.undecisive if other.tasks.get(task) == record.tasks.get(task)}
        idle |= {task for task, dice in record.held_out.items() if dice == 1.0}
    return len(set(record.tasks) - idle)


def decide(new: VersionRecord, versions: Versions, *, measured: bool = True) -> tuple[bool, str]:
    """Whether a new version is to be put in use, and why: `compare` to the one in use now.

    After a rollback, a training that learnt nothing new since (the same labels and settings as a version that
    was passed over) would only undo it, so its version waits to be chosen by a person. With new labels, the
    rollback holds until a version is not worse than the one that was chosen.
    """
    use = versions.uses.current()
    chosen = use is not None and use.by == ROLLBACK
    if use is not None and chosen:
        names = versions.names()
        for name in names[names.index(use.version) + 1 :] if use.version in names else ():
            if name != new.name and versions.record(name).same_training(new):
                return (
                    False,
                    (
                        f"trained on the same labels as {name}, in whose place {use.version} was put by a"
                        f" rollback, so {use.version} stays in use; roll back to {new.name} to use it all the"
                        " same"
                    ),
                )
    return compare(new, versions.current_record(), measured=measured, chosen=chosen)
