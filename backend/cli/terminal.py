"""How the service's objects look on a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from backend.project.version_list import RollbackPlan
from backend.store.version_history import ROLLBACK, describe_change

if TYPE_CHECKING:
    from backend.doctor import Examination
    from backend.finding import Finding

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


def follow_with_bar(states: Iterable[Mapping[str, Any]], console: Console) -> Mapping[str, Any]:
    """Show the states of a job as they come; returns the last one.
    Without a terminal each new step is one line instead of a bar."""
    last: Mapping[str, Any] = {
        "state": "failed",
        "message": "The job is unknown; it may have ended long ago.",
    }
    shown = ""
    with bar(console) as progress:
        task = progress.add_task("waiting for a worker", total=None, left="")
        for last in states:
            step = step_text(last)
            progress.update(
                task,
                description=step,
                completed=last.get("done") or 0,
                total=last.get("total") or None,
                left=left_text(last),
            )
            if not console.is_terminal and last.get("step") and step != shown:
                console.print(step, highlight=False, markup=False)
                shown = step
    return last


def step_text(state: Mapping[str, Any]) -> str:
    """What a job does now, in words: its step, and the rows of the round."""
    if state.get("state") == "queued":
        return "waiting for a worker"
    rows = f" (row {state['rows_done']} of {state['rows_total']})" if state.get("rows_total") else ""
    return f"{state.get('step') or state.get('kind') or 'working'}{rows}"


def left_text(state: Mapping[str, Any]) -> str:
    """The time left in words, empty when it is not known."""
    seconds = state.get("seconds_left")
    if seconds is None:
        return ""
    return f"about {seconds:.0f} s left" if seconds < 100 else f"about {seconds / 60:.0f} min left"


def findings(found: Sequence[Finding]) -> str:
    """One line for each finding, and what mends it."""
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


def describe(state: Mapping[str, Any]) -> str:
    """The state of a project (see backend/project/status.py) as a few lines."""
    version, labels, round_, running = (
        state.get("version"),
        state.get("labels") or {},
        state.get("round"),
        state.get("running"),
    )
    lines = [f"Project {state['project']}"]
    if version:
        dice = version.get("held_out_dice")
        quality = f"held-out dice {dice:.3f}" if dice is not None else "held-out dice not known"
        lines.append(
            f"  model    {version['name']}, {quality}, trained on {version.get('labels')} labels,"
            f" {version.get('created')}"
        )
    else:
        training = (running or {}).get("kind") == "training"
        lines.append(
            "  model    none yet;"
            f" {'the first one is being trained' if training else 'label an image and submit it'}"
        )
    lines.append(f"  labels   {labels.get('trained', 0)} trained, {labels.get('waiting', 0)} waiting")
    if round_:
        by = (
            "in random order until there are enough labels"
            if round_.get("cold_start")
            else f"by {round_.get('strategy')}"
        )
        lines.append(
            f"  round    {round_['name']} of {round_.get('time')}, {by}, budget {round_.get('budget')}"
            f" ({round_.get('reason')})"
        )
        if round_.get("message"):
            lines.append(f"           {round_['message']}")
    else:
        lines.append("  round    none yet")
    if running:
        left = left_text(running)
        lines.append(f"  running  {running.get('kind')}: {step_text(running)}{', ' + left if left else ''}")
    if state.get("waiting"):
        lines.append(f"  waiting  {', '.join(state['waiting'])}")
    for place in (state.get("next_tasks") or [])[:_NEXT]:
        mark = "*" if place.get("in_batch") else " "
        served = f" ({served_text(place['served_to'])})" if place.get("served_to") else ""
        lines.append(
            f"  {place['rank']:>6}{mark} task"
            f" {place['task']}{': ' + place['reason'] if place.get('reason') else ''}{served}"
        )
    skipped = state.get("skipped") or {}
    if skipped.get("count"):
        named = _numbers(skipped["tasks"], skipped["count"])
        lines.append(
            f"  skipped  {named}; python -m backend unskip --project {state['project']} puts them back"
        )
    for warning in state.get("warnings") or []:
        lines.append(f"  warning  {warning}")
    if state.get("last_error"):
        lines.append(f"  error    {state['last_error']['message']}")
    return "\n".join(lines)


def served_text(others: int) -> str:
    """That a task was skipped by some, and `others` are still served it."""
    return f"skipped, still served to {others} {'other' if others == 1 else 'others'}"


def versions_table(found: Mapping[str, Any]) -> str:
    """The versions of a project (see backend/project/version_list.py), the one in use marked, and how it came
    to be in use."""
    if not found["versions"]:
        return (
            f"Project {found['project']} has no version yet; label images and submit them, and the first"
            " training makes v1."
        )
    rows = [("  version", "held-out dice", "labels", "seconds", "created", "why it was put in use, or not")]
    for each in found["versions"]:
        mark = "* " if each["current"] else "  "
        if each["damaged"]:
            rows.append((f"{mark}{each['name']}", "", "", "", "", each["damaged"]))
            continue
        why = f"{'' if each['published'] else 'not put in use: '}{each['reason']}"
        rows.append(
            (
                f"{mark}{each['name']}",
                _dice(each),
                str(each["labels"]),
                f"{each['seconds']:.0f}",
                str(each["created"]),
                why,
            )
        )
    widths = [max(len(row[column]) for row in rows) for column in range(5)]
    lines = [
        "  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[5]]).rstrip()
        for row in rows
    ]
    for use in found["uses"]:
        if use["by"] == ROLLBACK:
            by = f" by {use['who']}" if use["who"] else ""
            why = f": {use['reason']}" if use["reason"] else ""
            lines.append(f"{use['time']} {describe_change(use['before'], use['version'])}{by}{why}")
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
        lines.append(f"A round runs or waits: it begins anew with {to['name']} afterwards.")
    if plan.training:
        lines.append(
            f"A training runs: its version takes the place of {to['name']} unless it is clearly worse."
        )
    if before:
        lines.append(f"To undo it: python -m backend rollback --project {plan.project} {before['name']}")
    return "\n".join(lines)


def describe_unskip(tasks: Sequence[int], skipped: Mapping[str, Any]) -> str:
    """What putting skipped images back will do, before somebody says yes to it;
    `skipped` is of the status."""
    named = _numbers(tasks or skipped["tasks"], len(tasks) or skipped["count"])
    return (
        f"Skipped: {named}. Their skips are removed, so that Label Studio serves them again to those who"
        " skipped them.\nNo label is removed. An image on which somebody had drawn before stays skipped."
    )


def _numbers(tasks: Sequence[int], count: int) -> str:
    """The first of `count` tasks by their numbers."""
    more = f" and {count - _NEXT} more" if count > _NEXT else ""
    return f"task{'' if count == 1 else 's'} {', '.join(map(str, tasks[:_NEXT]))}{more}"


def _dice(version: Mapping[str, Any]) -> str:
    return "not measured" if version.get("held_out_dice") is None else f"{version['held_out_dice']:.3f}"


def _quality(version: Mapping[str, Any]) -> str:
    return (
        f"{version['name']} (held-out dice {_dice(version)}, {version['labels']} labels,"
        f" {version['created']})"
    )
