"""The report holds the right numbers and claims no more than they allow."""

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from model.errors import ResultsError
from model.experiment.evaluation.comparison import Comparison, compare_areas
from model.experiment.evaluation.reading import Verdict, verdict
from model.experiment.evaluation.report import CURVE, report, write_report
from model.experiment.record.results import Results
from model.experiment.record.run import INITIAL, WHOLE
from tests.model.experiment.small_runs import make
from tests.model.experiment.tables import row

SIZES = (3, 5, 9)
DICE = "Test dice by number of labelled images"
WORST = "Dice of the worst fifth of the test images"
AREA = "Budget curve against random choice"
BY_SIZE = "Differences to random choice by size"


def synthetic(gains: tuple[float, ...], **protocol: Any) -> Results:
    """One experiment per gain: s is better than random's mean by it at size 5;
    at size 9 all hold the whole pool."""
    runs = []
    for e, gain in enumerate(gains):
        runs += [
            make(e, INITIAL, 3, (0.49, 0.51)),
            make(e, "s", 5, (0.6 + gain,) * 2, query=1.5),
            make(e, "s", 9, (0.8, 0.8), 0, "pool", query=1.5),
        ]
        for d, score in enumerate((0.58, 0.62)):
            runs += [make(e, "random", 5, (score,) * 2, d), make(e, "random", 9, (0.8, 0.8), d, "pool")]
    plan = {"experiments": len(gains), "strategies": ["random", "s"], "sizes": list(SIZES), "random_draws": 2}
    return Results(plan | protocol, runs)


def test_scores_are_in_the_table() -> None:
    """Mean ± standard deviation per size; s at 5 is 0.6 plus the mean gain of 0.04."""
    text = report(synthetic((0.03, 0.05)))
    assert row(text, DICE, "s") == [
        "s",
        "0.500 ± 0.000",
        "0.640 ± 0.014",
        "0.800 ± 0.000",
    ]
    assert row(text, DICE, "random")[2] == "0.600 ± 0.000"
    assert row(text, WORST, "s")[2] == "0.320 ± 0.007"


def test_area_and_difference_are_in_the_table() -> None:
    """Area of s: (2 * 0.57 + 4 * 0.72) / 6; a gain of 0.04 at size 5 weighs 3 / 6;
    two experiments give p = 0.5."""
    cells = row(report(synthetic((0.03, 0.05))), AREA, "s")
    assert cells == [
        "s",
        "0.6700",
        "2",
        "+0.0200",
        "[+0.0150, +0.0250]",
        "0.5000",
        "0.5000",
        "2",
        "100% of 2",
        "100% of 4",
    ]


def test_sizes_with_the_same_images_are_marked() -> None:
    """At the whole pool there is no test."""
    text = report(synthetic((0.03, 0.05)))
    figures = ["2", "+0.0400", "[+0.0300, +0.0500]", "0.5000", "0.5000", "100% of 2", "100% of 4"]
    assert row(text, BY_SIZE, "s", "5")[2:] == figures
    assert row(text, BY_SIZE, "s", "9")[2:5] == ["2", "+0.0000", "same images"]


def test_compute_and_noise_are_reported() -> None:
    """s chose four times for 1.5 s each; the only spread in training is that of the initial sets."""
    text = report(synthetic((0.03, 0.05)))
    assert row(text, "Compute", "s") == ["s", "4", "4", "6.0", "1.50", "40.0"]
    assert "standard error" in text.split("## Training noise")[1]


@pytest.mark.parametrize(
    ("gains", "expected"),
    [
        ((0.03, 0.04, 0.05, 0.03, 0.04), Verdict.WINS),
        ((-0.03, -0.04, -0.05, -0.03, -0.04), Verdict.LOSES),
        ((0.03, -0.04, 0.05, -0.03, 0.01), Verdict.TIES),
        ((0.0,) * 5, Verdict.TIES),
        ((0.03, 0.04, 0.05, 0.03), Verdict.TOO_FEW),
        ((0.03,), Verdict.TOO_FEW),
    ],
)
def test_the_verdict_follows_the_interval(gains: tuple[float, ...], expected: Verdict) -> None:
    """An interval above zero wins, below loses, else no difference is shown;
    below five experiments nothing is judged."""
    results = synthetic(gains)
    (area,) = compare_areas(results.runs)
    assert verdict(area) is expected
    assert f"- **s** {expected}" in report(results)


def test_a_win_of_five_experiments_is_not_called_confirmed() -> None:
    """Five experiments allow no p below 0.0625, and the reading says so."""
    text = report(synthetic((0.03, 0.04, 0.05, 0.03, 0.04)))
    assert "5 of 5 experiments" in text
    assert "the test cannot confirm it: p = 0.0625" in text


def test_a_win_of_eight_experiments_is_confirmed() -> None:
    """With eight equal signs the test reaches p = 2/256."""
    assert "confirms it, p = 0.0078" in report(synthetic((0.03, 0.04, 0.05, 0.03, 0.04, 0.02, 0.03, 0.05)))


def test_an_unconfirmed_win_is_told() -> None:
    """An interval above zero whose p is not small is not sold as confirmed."""
    area = Comparison("s", None, dict.fromkeys(range(8), 0.1), 0.1, (0.01, 0.2), 0.07, 0.07)
    assert verdict(area) is Verdict.WINS
    gains = (0.05, 0.05, 0.05, 0.05, 0.05, 0.05, -0.01, -0.04)
    assert "does not confirm it" in report(synthetic(gains))


def test_incomplete_results_are_marked_at_the_top() -> None:
    """The number of missing units stands before every number, and n beside a mean of fewer experiments."""
    whole = synthetic((0.03, 0.05))
    text = report(Results(whole.protocol, [r for r in whole.runs if r.key != (1, "s", 0, 9)]))
    (told,) = (line for line in text.split("## ")[0].splitlines() if line.startswith("**Incomplete: 1 "))
    assert "(s 1)" in told
    assert row(text, DICE, "s")[3] == "0.800 (n = 1)"
    assert "Incomplete" not in report(whole)


def test_sets_with_fewer_trainings_than_planned_are_told_apart() -> None:
    """They stand in the tables, and the report says that their scores are noisier."""
    whole = synthetic((0.03, 0.05))
    grown = Results({**whole.protocol, "repeats": 3}, whole.runs)
    for run in whole.runs:
        if run.experiment == 0:
            grown.add(dataclasses.replace(run, dice=(*run.dice, 0.5), worst_dice=(*run.worst_dice, 0.2)))
    fewer = sum(run.experiment == 1 for run in whole.runs)
    text = report(grown).split("## ")[0]
    assert f"**Incomplete: {fewer} sets" in text
    assert "3 planned trainings" in text
    assert "missing" not in text
    for heading in (DICE, AREA):
        assert row(report(grown), heading, "s") == row(report(whole), heading, "s")


def test_a_protocol_without_a_plan_is_marked() -> None:
    """Where the plan is unknown the report does not pretend to be complete."""
    assert "**Completeness unknown:**" in report(Results({}, synthetic((0.03, 0.05)).runs))


def test_results_without_random_or_with_one_set_are_reported() -> None:
    """No baseline, or no strategy yet, gives a report that says so."""
    runs = synthetic((0.03, 0.05)).runs
    without = report(Results({}, [r for r in runs if r.strategy != "random"]))
    assert "No strategy can be compared" in without
    assert "0.640" in without
    assert "No strategy has a run" in report(Results({}, [r for r in runs if r.strategy == INITIAL]))


def test_the_protocol_and_its_command_are_shown() -> None:
    """Nested settings are named with dots, bars escaped, and a long list is cut with its length."""
    command = "python -m model.experiment --data x"
    text = report(
        synthetic(
            (0.03,),
            command=command,
            recipe={"steps": 500},
            split=list(range(40)),
            note="a|b",
        )
    )
    assert f"```\n{command}\n```" in text
    assert row(text, "What was run", "recipe.steps") == ["recipe.steps", "500"]
    assert row(text, "What was run", "split")[1].endswith("... (40 in all)")
    assert row(text, "What was run", "note") == ["note", "a\\|b"]


def test_every_table_has_rows_of_one_width() -> None:
    """Each line of a table has as many cells as its head, else markdown breaks it."""
    widths: set[int] = set()
    for line in [*report(synthetic((0.03, 0.05))).splitlines(), ""]:
        if line.startswith("|"):
            widths.add(line.count("|"))
            assert len(widths) == 1, line
        else:
            widths = set()


def test_a_whole_pool_beyond_the_plan_is_told_and_not_averaged() -> None:
    """Its score is named beside the table, and the area still ends at the last planned size."""
    results = synthetic((0.03, 0.05), pool_size=60)
    for e in range(2):
        results.add(make(e, WHOLE, 60, (0.9, 0.9)))
    text = report(results)
    assert "60 images: 0.900 (mean of 2 " in text
    assert "from 3 to 9 images" in text
    assert row(text, "Compute", "whole")[1] == "2"
    assert "Incomplete" not in text


@pytest.mark.parametrize(
    ("experiments", "five", "whole", "said"),
    [
        (5, 0.506, 0.509, "the first 3 images is +0.0090 in the mean (the whole pool, 60 images)"),
        (5, 0.509, 0.3, "the first 3 images is +0.0090 in the mean (s, 5 images)"),
        (5, 0.506, 0.511, ""),
        (5, 0.511, 0.506, ""),
        (4, 0.506, 0.509, ""),
    ],
)
def test_it_says_where_more_labels_hardly_help(
    experiments: int, five: float, whole: float, said: str
) -> None:
    """The first three images have .5;
    a set of five or the whole pool may have more, in enough experiments."""
    runs = []
    for e in range(experiments):
        runs += [
            make(e, INITIAL, 3, (0.5,)),
            make(e, "random", 5, (0.5,)),
            make(e, "s", 5, (five,)),
            make(e, WHOLE, 60, (whole,)),
        ]
    text = report(Results({"experiments": experiments, "strategies": ["random", "s"], "sizes": [5]}, runs))
    assert ("hardly help" in text) == bool(said)
    assert said in text


def test_a_shared_whole_pool_ends_every_curve() -> None:
    """Where its size is planned, the numbers are those of arms that each hold the whole pool."""
    each = synthetic((0.03, 0.05))
    shared = Results(
        each.protocol,
        [r for r in each.runs if r.size < 9] + [make(e, WHOLE, 9, (0.8, 0.8), 0, "pool") for e in range(2)],
    )
    section = AREA
    assert row(report(shared), section, "s") == row(report(each), section, "s")


def test_the_report_is_written_beside_its_curve(tmp_path: Path) -> None:
    """report.md is written alone and links the curve.png of its folder."""
    write_report(synthetic((0.03, 0.05)), tmp_path / "report.md")
    assert [p.name for p in tmp_path.iterdir()] == ["report.md"]
    assert f"]({CURVE})" in (tmp_path / "report.md").read_text()


def test_no_runs_are_an_error(tmp_path: Path) -> None:
    """There is no report of nothing."""
    with pytest.raises(ResultsError, match="run the experiment first"):
        write_report(Results({}), tmp_path / "report.md")
