"""What people read on the terminal."""

import io
from dataclasses import replace

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
from backend.project.project_status import (
    Defaults,
    Images,
    Labels,
    LastError,
    NextTask,
    ProjectStatus,
    RoundInForce,
    Running,
    VersionInUse,
)
from backend.project.version_list import RollbackPlan, VersionEntry, VersionList
from backend.queue.follow import JobState
from backend.store.version_history import Use
from model.reason import Kind, Reason

NEW = ProjectStatus(3, "Cells", Images(), Defaults(5, "task_dependent"))
STATE = replace(
    NEW,
    version=VersionInUse("v2", labels=8, held_out_dice=0.8123, created="2026-01-02 10:00"),
    images=Images(20, 9),
    labels=Labels(trained=8, waiting=1),
    round=RoundInForce("v2.r1", "10:02", "asked for", "task_dependent", 5, value=0.5, upper_bound=0.52),
    next_tasks=(NextTask(14, 1, 0.1, True, Reason(Kind.COMPARED, represents=9), name="axons-014.png"),),
    running=Running("j", "round", "training on rows", rows_done=3, rows_total=16, seconds_left=340),
    waiting=("training",),
    last_error=LastError("i", "round", "task 5: image gone", 1.0),
    warnings=("maximum_annotations is 2",),
)


def test_the_state_of_a_project() -> None:
    """Every part of it is on a line of its own."""
    text = describe(STATE)
    for part in (
        "v2, held-out dice 0.812, trained on 8 labels",
        "labels   9; the U-Net v2 has learnt 8; 1 waits for the next training of the U-Net",
        "order    1 (model 2) of 10:02, by task_dependent, budget 5",
        "to at most 0.52; this one reaches 0.50.",
        "Computing the order: training on rows (row 3 of 16), about 6 min left",
        "1* axons-014.png (task 14): stands for 8 similar images",
        "error    task 5: image gone",
        "warning  maximum_annotations is 2",
    ):
        assert part in text


def test_labels_that_wait_for_the_u_net_are_known_to_the_live_model() -> None:
    pixel = replace(STATE, live=True, version=VersionInUse("v3", labels=9, kind="pixel"))
    told = "9; the pixel classifier v3 has learnt all; 1 waits for the next training of the U-Net"
    assert told in describe(pixel)
    late = describe(replace(pixel, version=VersionInUse("v3", labels=7, kind="pixel")))
    assert "has learnt 7" in late
    assert "labels 0" in " ".join(describe(NEW).split())


def test_a_new_project() -> None:
    """Nothing is known yet, and the text says what to do."""
    assert "label an image" in describe(NEW)


def test_following_without_a_terminal() -> None:
    """Each new step is one line, the same step is not repeated, and the last state is returned."""
    states: list[JobState] = [
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
    assert step_text("row", 0, 16).endswith("(row 0 of 16)")
    assert step_text("training", None, None) == "training"
    assert left_text(None) == ""
    assert left_text(42.4) == "about 42 s left"
    assert left_text(600) == "about 10 min left"


def test_findings_with_their_remedy() -> None:
    """What is to be done stands below what was found."""
    text = findings(
        [
            Finding("webhook", Severity.OK, "there"),
            Finding("annotations", Severity.WARNING, "2 per task", "set it to 1"),
        ]
    )
    first, second, remedy = text.splitlines()
    assert first.split() == ["ok", "webhook", "there"]
    assert second.split(maxsplit=2) == ["warning", "annotations", "2 per task"]
    assert remedy.strip() == "set it to 1"
    assert first.index("there") == second.index("2 per") == remedy.index("set")


VERSION = VersionEntry(
    "v1",
    current=True,
    created="2026-01-02T10:00:00+00:00",
    labels=3,
    seconds=12.4,
    held_out_dice=0.7123,
    published=True,
    reason="the first version",
)
USE = Use("v1", "2026-01-03", "rollback", who="ada", reason="v2 is worse", before="v2")


def test_the_versions_as_a_table() -> None:
    """The one in use is marked; one that was not put in use, and one that cannot be read, say why;
    rollbacks are told below."""
    worse = replace(VERSION, name="v2", current=False, held_out_dice=None, published=False)
    second = replace(worse, reason="clearly worse")
    third = VersionEntry("v10", damaged="the record of version v10 is damaged")
    listed = VersionList(3, "v1", versions=(VERSION, second, third), uses=(replace(USE, by="training"), USE))
    text = versions_table(listed)
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
    assert lines[2].split()[:3] == ["v2", "not", "measured"]
    assert lines[2].endswith(": clearly worse")
    assert lines[3].endswith(third.damaged)
    assert lines[4:] == ["2026-01-03 rolled back from v2 to v1 by ada: v2 is worse"]
    forward = replace(USE, version="v2", before="v1", reason="")
    text = versions_table(VersionList(3, "v2", versions=(VERSION, second), uses=(forward,)))
    assert "forward from v1 to v2" in text.splitlines()[-1]
    assert "no version yet" in versions_table(VersionList(3))


def test_what_a_rollback_will_do() -> None:
    """Which versions, how many tasks, what is stopped, and the way back."""
    newer = replace(VERSION, name="v2", held_out_dice=0.6, labels=5)
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
        "A training runs: its version takes the place of v1 unless it is worse.",
        "It holds until a version that has learnt new labels is not worse than v1, or cannot be compared.",
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
    assert "1 error, 2 warnings" in text.splitlines()[-1]
    assert examination(Examination([good])).splitlines()[-1].startswith("All is well")
