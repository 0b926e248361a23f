"""How the service's objects look on a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from backend.labelstudio.task_numbers import list_tasks
from backend.project.job_words import RUNNING, list_waiting
from backend.project.project_status import ProjectStatus
from backend.project.skipped_tasks import Skipped
from backend.project.version_list import RollbackPlan, VersionEntry, VersionList
from backend.store.learning_trend import Trend
from backend.store.version_history import ON_PAGE, ROLLBACK, describe_change
from backend.store.version_record import Learner
from model.reason import describe_bound

if TYPE_CHECKING:
    from backend.doctor import Examination
    from backend.finding import Finding
    from backend.labelstudio.connect import Intention, Plan
    from backend.queue.follow import JobState

_NEXT = 10
"""So many of the next tasks are listed."""


def bar(console: Console) -> Progress:
    """A progress bar: what is done, how far it is, the seconds so far, and the time left in words."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[left]}"),
    )
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)


def follow_with_bar(states: Iterable[JobState], console: Console) -> JobState:
    """Show the states of a job as they come; returns the last one.
    Without a terminal each new step is one line instead of a bar."""
    last: JobState = {"state": "failed", "message": "The job is unknown; it may have ended long ago."}
    shown = ""
    with bar(console) as progress:
        task = progress.add_task("waiting for a worker", total=None, left="")
        for last in states:
            queued = last.get("state") == "queued"
            step = (
                "waiting for a worker"
                if queued
                else step_text(last.get("step") or "working", last.get("rows_done"), last.get("rows_total"))
            )
            progress.update(
                task,
                description=step,
                completed=last.get("done") or 0,
                total=last.get("total") or None,
                left=left_text(last.get("seconds_left")),
            )
            if not console.is_terminal and last.get("step") and step != shown:
                console.print(step, highlight=False, markup=False)
                shown = step
    return last


def step_text(step: str, rows_done: int | None, rows_total: int | None) -> str:
    """What a job does now, in words: its step, and the rows of the round."""
    return f"{step} (row {rows_done} of {rows_total})" if rows_total else step


def left_text(seconds: float | None) -> str:
    """The time left in words, empty when it is not known."""
    if seconds is None:
        return ""
    return f"about {seconds:.0f} s left" if seconds < 100 else f"about {seconds / 60:.0f} min left"


def findings(found: Sequence[Finding]) -> str:
    """One line for each finding, and what fixes it."""
    width = max((len(finding.subject) for finding in found), default=0)
    lines = []
    for finding in found:
        lines.append(f"{finding.severity.value:<8} {finding.subject:<{width}} {finding.text}\n")
        if finding.remedy:
            lines.append(f"{'':<{width + 9}} {finding.remedy}\n")
    return "".join(lines)


def examination(found: Examination) -> str:
    """All findings, those of the service and those of each project, and what they come to."""
    parts = [findings(found.service)]
    parts += [f"Project {number}\n{findings(listed)}" for number, listed in found.projects.items()]
    errors, warnings = found.errors, found.warnings
    told = f"{errors} error{'s' if errors != 1 else ''}, {warnings} warning{'s' if warnings != 1 else ''}"
    parts.append(f"{'All is well' if not errors and not warnings else told}, after {found.seconds:.0f} s.")
    return "\n".join(parts)


def describe(state: ProjectStatus) -> str:
    """The state of a project as a few lines."""
    version, round_, running = state.version, state.round, state.running
    lines = [f"Project {state.project}"]
    if version:
        dice = version.held_out_dice
        quality = f"held-out dice {dice:.3f}" if dice is not None else "held-out dice not known"
        lines.append(
            f"  model    {version.name}, {quality}, trained on {version.labels} labels, {version.created}"
        )
        lines += [f"           {version.choice}"] if version.choice else []
        lines += [f"           {state.learning.text}"] if state.learning else []
        if state.learning and state.learning.suspects:
            named = ", ".join(f"{each.title}, dice {each.dice:.2f}" for each in state.learning.suspects)
            lines.append(f"           Out of line with the other labels, of those that came since: {named}")
    else:
        training = running is not None and running.kind == "training"
        lines.append(
            "  model    none yet;"
            f" {'the first one is being trained' if training else 'label an image and submit it'}"
        )
    lines.append(f"  labels   {_labels(state)}")
    if state.time_saved:
        lines.append(f"  time     {state.time_saved}")
    if round_:
        by = "in random order until there are enough labels" if round_.cold_start else f"by {round_.strategy}"
        lines.append(
            f"  order    {round_.title.removeprefix('order ')} of {round_.time}, {by}, budget {round_.budget}"
            f" ({round_.reason})"
        )
        told = (round_.message, describe_bound(round_.value, round_.upper_bound, round_.measure))
        lines += [f"           {text}" for text in told if text]
    else:
        lines.append("  order    none yet")
    if running:
        left = left_text(running.seconds_left)
        step = step_text(running.step or "starting", running.rows_done, running.rows_total)
        lines.append(
            f"  running  {RUNNING.get(running.kind, running.kind)}: {step}{', ' + left if left else ''}"
        )
    if state.waiting:
        lines.append(f"  waiting  {list_waiting(state.waiting)}")
    for number, place in enumerate(state.next_tasks[:_NEXT], start=1):
        mark = "*" if place.in_batch else " "
        served = f" ({served_text(place.served_to)})" if place.served_to else ""
        reason = f": {place.summary}" if place.summary else ""
        lines.append(f"  {number:>6}{mark} {place.title}{reason}{served}")
    if state.undrawn:
        lines.append(f"  masks    {state.undrawn} are still to be drawn, when the machine has time")
    if state.skipped.count:
        named = list_tasks(state.skipped.tasks, _NEXT, state.skipped.count)
        lines.append(f"  skipped  {named}; python -m backend unskip --project {state.project} puts them back")
    lines += [f"  warning  {warning}" for warning in state.warnings]
    if state.last_error:
        lines.append(f"  error    {state.last_error.message}")
    return "\n".join(lines)


def _labels(state: ProjectStatus) -> str:
    """How many there are, and which model has learnt how many of them."""
    count, version, waiting = state.images.labelled, state.version, state.labels.waiting
    parts = [str(count)]
    if version and version.kind == Learner.PIXEL and state.live:
        missing = count - version.labels
        kept_back = state.learning is not None and state.learning.trend is Trend.KEPT_BACK
        others = "what has learnt the others is not in use" if kept_back else "and the others within seconds"
        learnt = "all" if missing <= 0 else f"{version.labels}, {others}"
        parts.append(f"the pixel classifier {version.name} has learnt {learnt}" if count else "")
    elif version:
        learnt = "all" if version.labels >= count else str(version.labels)
        parts.append(f"the {Learner(version.kind).noun} {version.name} has learnt {learnt}" if count else "")
    if waiting:
        wait = "waits" if waiting == 1 else "wait"
        parts.append(f"{waiting} {wait} for the next training of the U-Net")
    return "; ".join(filter(None, parts))


def served_text(others: int) -> str:
    """That a task was skipped by some, and `others` are still served it."""
    return f"skipped, still served to {others} {'other' if others == 1 else 'others'}"


def versions_table(found: VersionList) -> str:
    """The versions of a project (see backend/project/version_list.py), the one in use marked, and how it came
    to be in use."""
    if not found.versions:
        return (
            f"Project {found.project} has no version yet; label images and submit them, and the first"
            " training makes v1."
        )
    rows = [
        (
            "  version",
            "held-out dice",
            "labels",
            "seconds",
            "created",
            "why it was put in use, or not",
        )
    ]
    for each in found.versions:
        mark = "* " if each.current else "  "
        if each.damaged:
            rows.append((f"{mark}{each.name}", "", "", "", "", each.damaged))
            continue
        why = f"{'' if each.published else 'not put in use: '}{each.reason}"
        rows.append(
            (
                f"{mark}{each.name}{', pixel classifier' if each.kind == Learner.PIXEL else ''}",
                _dice(each),
                str(each.labels),
                f"{each.seconds or 0:.0f}",
                str(each.created),
                why,
            )
        )
    widths = [max(len(row[column]) for row in rows) for column in range(5)]
    lines = [
        "  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[5]]).rstrip()
        for row in rows
    ]
    for use in found.uses:
        if use.by == ROLLBACK:
            by = f" by {use.person}" if use.person else ""
            why = f": {use.reason}" if use.reason not in ("", ON_PAGE) else ""
            lines.append(f"{use.time} {describe_change(use.before, use.version)}{by}{why}")
    return "\n".join(lines)


def describe_rollback(plan: RollbackPlan) -> str:
    """What a rollback will do (see `plan_rollback`), before somebody says yes to it."""
    to, before = plan.to, plan.before
    lines = [f"{_quality(to)} will be put in use{f' instead of {_quality(before)}' if before else ''}."]
    if plan.tasks:
        later = (
            f", the other {plan.tasks - plan.masks} as annotators proceed" if plan.masks < plan.tasks else ""
        )
        lines.append(
            f"{plan.masks} open tasks will show its masks{later}; their order, labels and all versions stay."
        )
    if plan.stops_round:
        lines.append(f"A round runs or waits: it begins anew with {to.name} afterwards.")
    if plan.training:
        lines.append(f"A training runs: its version takes the place of {to.name} unless it is worse.")
    if before:
        lines.append(
            f"It holds until a version that has learnt new labels is not worse than {to.name}, or cannot be"
            " compared."
        )
        lines.append(f"To undo it: python -m backend rollback --project {plan.project} {before.name}")
    return "\n".join(lines)


def describe_cancel(state: ProjectStatus) -> str:
    """What a cancel will stop, before somebody says yes to it."""
    parts = [RUNNING.get(state.running.kind, "A job").lower()] if state.running else []
    if state.waiting:
        parts.append(f"what waits: {list_waiting(state.waiting)}")
    return (
        f"Cancelled will be: {'; '.join(parts)}. Model, labels and the order in force stay, and labelling"
        " goes on. Nothing starts again by itself until a label comes or somebody asks for it."
    )


def describe_connection(plan: Sequence[Intention], project: int) -> str:
    """What connecting a project will change, before somebody says yes to it."""
    if not plan:
        return f"Nothing would be changed in Label Studio: project {project} is as connecting leaves it."
    replaced = " (replaces what somebody has chosen)"
    lines = [f"- {each.text}{replaced if each.overwrites else ''}" for each in plan]
    return "\n".join(
        [
            f"This will be changed in project {project} of Label Studio:",
            *lines,
            "No label is touched. What is there now is recorded, and comes back with: python -m backend"
            f" disconnect --project {project}",
        ]
    )


def describe_disconnection(plan: Plan) -> str:
    """What disconnecting will change, before somebody says yes to it."""
    lines = ["This will be changed in Label Studio:"] if plan.changes else []
    lines += [f"- {change.text}" for change in plan.changes]
    if plan.stays:
        lines += ["This stays as it is:", *(f"- {text}" for text in plan.stays)]
    lines.append(
        "Labels, and masks that the model has drawn, stay in Label Studio; the models stay in this service's"
        " storage. What runs here for the project is cancelled."
    )
    return "\n".join(lines)


def describe_unskip(tasks: Sequence[int], skipped: Skipped) -> str:
    """What putting skipped images back will do, before somebody says yes to it;
    `skipped` is of the status."""
    named = list_tasks(tasks or skipped.tasks, _NEXT, len(tasks) or skipped.count)
    return (
        f"Skipped: {named}. Their skips are removed, so that Label Studio serves them again to those who"
        " skipped them.\nNo label is removed. An image on which somebody had drawn before stays skipped."
    )


def _dice(version: VersionEntry) -> str:
    return "not measured" if version.held_out_dice is None else f"{version.held_out_dice:.3f}"


def _quality(version: VersionEntry) -> str:
    return f"{version.name} (held-out dice {_dice(version)}, {version.labels} labels, {version.created})"
