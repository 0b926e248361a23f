"""What people read on the terminal."""

import io
from dataclasses import replace
from typing import Any

from rich.console import Console

from backend.cli.terminal import (
    describe,
    describe_rollback,
    examination,
    findings,
    follow_with_bar,
    left_text,
    step_text,
    versions_table,
)
from backend.doctor import Examination
from backend.finding import Finding, Severity
from backend.project.version_list import RollbackPlan

STATE: dict[str, Any] = {
    "project": 3,
    "version": {"name": "v2", "held_out_dice": 0.8123, "labels": 8, "created": "2026-01-02 10:00"},
    "labels": {"trained": 8, "waiting": 1},
    "round": {
        "name": "v2.r1",
        "time": "10:02",
        "reason": "asked for",
        "strategy": "task_dependent",
        "budget": 5,
        "cold_start": False,
    },
    "next_tasks": [{"task": 14, "rank": 1, "score": 0.1, "in_batch": True, "reason": "represents 9 images"}],
    "running": {
        "job": "j",
        "kind": "round",
        "step": "training on rows",
        "rows_done": 3,
        "rows_total": 16,
        "seconds_left": 340,
    },
    "waiting": ["training"],
    "last_error": {"job": "i", "message": "task 5: image gone", "time": "09:00"},
    "warnings": ["maximum_annotations is 2"],
}


def test_the_state_of_a_project() -> None:
    """Every part of it is on a line of its own."""
    text = describe(STATE)
    for part in (
        "v2, held-out dice 0.812, trained on 8 labels",
        "8 trained, 1 waiting",
        "v2.r1 of 10:02, by task_dependent, budget 5",
        "round: training on rows (row 3 of 16), about 6 min left",
        "1* task 14: represents 9 images",
        "error    task 5: image gone",
        "warning  maximum_annotations is 2",
    ):
        assert part in text


def test_a_new_project() -> None:
    """Nothing is known yet, and the text says what to do."""
    empty: dict[str, Any] = {
        "project": 1,
        "version": None,
        "labels": {"trained": 0, "waiting": 0},
        "round": None,
        "next_tasks": [],
        "running": None,
    }
    assert "none yet; label an image" in describe(empty)


def test_following_without_a_terminal() -> None:
    """Each new step is one line, the same step is not repeated, and the last state is returned."""
    states: list[dict[str, Any]] = [
        {"state": "queued"},
        {"state": "running", "step": "training", "done": 1, "total": 9},
        {"state": "running", "step": "training", "done": 2, "total": 9},
        {"state": "finished", "step": "written", "message": "20 tasks"},
    ]
    output = io.StringIO()
    assert follow_with_bar(states, Console(file=output))["message"] == "20 tasks"
    assert [line.strip() for line in output.getvalue().splitlines() if line.strip()] == [
        "training",
        "written",
    ]


def test_following_nothing() -> None:
    """A job that is gone counts as failed."""
    assert follow_with_bar([], Console(file=io.StringIO()))["state"] == "failed"


def test_words_for_progress() -> None:
    """Rows and times as people say them."""
    assert (
        step_text({"state": "running", "step": "row", "rows_done": 0, "rows_total": 16})
        == "row (row 0 of 16)"
    )
    assert left_text({"seconds_left": None}) == ""
    assert left_text({"seconds_left": 42.4}) == "about 42 s left"
    assert left_text({"seconds_left": 600}) == "about 10 min left"


def test_findings_with_their_remedy() -> None:
    """What is to be done stands below what was found."""
    text = findings(
        [
            Finding("webhook", Severity.OK, "there"),
            Finding("annotations", Severity.WARNING, "2 per task", "set it to 1"),
        ]
    )
    assert text.splitlines() == [
        "ok       webhook     there",
        "warning  annotations 2 per task",
        f"{'':20} set it to 1",
    ]


VERSION: dict[str, Any] = {
    "name": "v1",
    "current": True,
    "damaged": "",
    "created": "2026-01-02T10:00:00+00:00",
    "labels": 3,
    "seconds": 12.4,
    "held_out_dice": 0.7123,
    "published": True,
    "reason": "the first version",
}
USE: dict[str, Any] = {
    "version": "v1",
    "time": "2026-01-03",
    "by": "rollback",
    "who": "ada",
    "reason": "v2 is worse",
    "before": "v2",
}


def test_the_versions_as_a_table() -> None:
    """The one in use is marked; one that was not put in use, and one that cannot be read, say why;
    rollbacks are told below."""
    second = VERSION | {
        "name": "v2",
        "current": False,
        "held_out_dice": None,
        "published": False,
        "reason": "clearly worse",
    }
    third = VERSION | {"name": "v10", "current": False, "damaged": "the record of version v10 is damaged"}
    text = versions_table(
        {
            "project": 3,
            "current": "v1",
            "versions": [VERSION, second, third],
            "uses": [USE | {"by": "training"}, USE],
        }
    )
    lines = text.splitlines()
    assert lines[1].split() == [
        "*",
        "v1",
        "0.712",
        "3",
        "12",
        "2026-01-02T10:00:00+00:00",
        "the",
        "first",
        "version",
    ]
    assert lines[2].startswith("  v2       not measured")
    assert lines[2].endswith("not put in use: clearly worse")
    assert lines[3].endswith("the record of version v10 is damaged")
    assert lines[4:] == ["2026-01-03 rolled back from v2 to v1 by ada: v2 is worse"]
    forward = USE | {"version": "v2", "before": "v1", "reason": ""}
    text = versions_table({"project": 3, "current": "v2", "versions": [VERSION, second], "uses": [forward]})
    assert text.splitlines()[-1] == "2026-01-03 switched forward from v1 to v2 by ada"
    assert "no version yet" in versions_table({"project": 3, "current": None, "versions": [], "uses": []})


def test_what_a_rollback_will_do() -> None:
    """Which versions, how many tasks, what is stopped, and the way back."""
    newer = VERSION | {"name": "v2", "held_out_dice": 0.6, "labels": 5}
    plan = RollbackPlan(
        3, False, VERSION, newer, "v2.r4", tasks=700, masks=200, stops_round=True, training=True
    )
    text = describe_rollback(plan)
    for part in (
        (
            "v1 (held-out dice 0.712, 3 labels, 2026-01-02T10:00:00+00:00) will be put in use instead of v2"
            " (held-out dice 0.600, 5 labels"
        ),
        "200 open tasks will show its masks, the other 500 as annotators proceed",
        "A round runs or waits: it begins anew with v1 afterwards.",
        "A training runs: its version takes the place of v1 unless it is clearly worse.",
        "To undo it: python -m backend rollback --project 3 v2",
    ):
        assert part in text
    assert (
        len(
            describe_rollback(
                replace(plan, before=None, tasks=0, stops_round=False, training=False)
            ).splitlines()
        )
        == 1
    )


def test_an_examination_is_summed_up() -> None:
    """Errors and warnings of the service and of all projects are counted together."""
    bad, odd, good = (
        Finding(str(severity), severity, "x") for severity in (Severity.ERROR, Severity.WARNING, Severity.OK)
    )
    text = examination(Examination([good, bad], {3: [odd, odd], 4: [good]}, 1.2))
    assert "Project 3\nwarning" in text
    assert text.endswith("1 error, 2 warnings, after 1 s.")
    assert examination(Examination([good])).endswith("All is well, after 0 s.")
