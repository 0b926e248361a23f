"""results.json:
runs kept by key, a file that is whole or not there, and resuming only under the same protocol."""

import codecs
import dataclasses
import json
import math
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.errors import ProtocolError, ResultsError
from model.experiment.record.results import Results
from model.experiment.record.run import INITIAL, Run
from model.strategies import default_options, paper_options
from tests.model.experiment.small_runs import PROTOCOL, make_ensemble

SAME = ("data", "recipe")


def test_mean_dice_is_the_mean_over_repeats() -> None:
    """A run's score averages its repeated trainings."""
    assert make_ensemble().mean_dice == pytest.approx(0.85)
    assert make_ensemble().mean_worst_dice == pytest.approx(0.55)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"dice": (math.nan, 0.5)}, "dice"),
        ({"dice": (1.2, 0.5)}, "dice"),
        ({"dice": (), "worst_dice": ()}, "at least 1"),
        ({"worst_dice": (0.5,)}, "worst_dice"),
        ({"chosen": ("b", "a", "c", "d", "e")}, "sorted"),
        ({"chosen": ("a", "a", "b", "c", "d")}, "duplicates"),
        ({"chosen": ("a",)}, "expected 5 names, found 1"),
        ({"added": ("z",)}, "added"),
        ({"draw": 1}, "draw"),
        ({"experiment": -1}, "experiment"),
        ({"query_seconds": math.inf}, "seconds"),
    ],
)
def test_a_spoilt_run_is_refused(change: dict[str, Any], text: str) -> None:
    """A run with a score that is no number, or a set that is not of its size, is never kept."""
    with pytest.raises(ResultsError, match=text):
        make_ensemble(**change)


def test_only_random_has_several_draws() -> None:
    """`random` may have a draw above 0."""
    assert make_ensemble(strategy="random", draw=7).key == (0, "random", 7, 5)


def test_save_and_load_give_the_same_runs(tmp_path: Path) -> None:
    """What is saved comes back, notes that are not finite included."""
    run = make_ensemble(added=("01.png", "00.png"), notes={"value": 0.5, "upper_bound": math.inf})
    results = Results(PROTOCOL, [run, make_ensemble(strategy=INITIAL, size=3)])
    results.save(tmp_path / "out" / "results.json")
    loaded = Results.load(tmp_path / "out" / "results.json")
    assert loaded.protocol == results.protocol
    assert loaded.runs == results.runs
    assert loaded.get(run.key) == run


@given(
    st.lists(st.floats(0, 1), min_size=1, max_size=4),
    st.text(min_size=1, max_size=5),
    st.floats(allow_nan=False),
)
def test_any_run_survives_json(dice: list[float], name: str, note: float) -> None:
    """Scores, names and notes pass through JSON unchanged."""
    run = make_ensemble(
        size=1, chosen=(name,), added=(name,), dice=tuple(dice), worst_dice=tuple(dice), notes={"value": note}
    )
    assert Run(**json.loads(json.dumps(run.to_dict(), allow_nan=False))) == run


def test_a_run_that_is_replaced_is_written_anew(tmp_path: Path) -> None:
    """Each is on a line of its own."""
    path, results = tmp_path / "results.json", Results(PROTOCOL, [make_ensemble(), make_ensemble(1)])
    for dice in (0.25, 0.5):
        results.add(make_ensemble(1, dice=(dice,), worst_dice=(dice,)))
        results.save(path)
        assert Results.load(path).runs == results.runs
        assert sum(line.startswith("{") for line in path.read_text().splitlines()[1:]) == 2


def test_the_file_does_not_depend_on_the_order_of_adding(tmp_path: Path) -> None:
    """Two jobs that finish in another order write the same bytes, the initial set first."""
    runs = [
        make_ensemble(strategy=INITIAL, size=3),
        make_ensemble(),
        make_ensemble(strategy="a"),
        make_ensemble(1),
    ]
    for name, order in (("a", runs), ("b", runs[::-1])):
        Results(PROTOCOL, order).save(tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert Results(PROTOCOL, runs[::-1]).runs[0].strategy == INITIAL


def test_add_replaces_a_run_of_the_same_key() -> None:
    """A repeated unit takes the place of the old one."""
    results = Results(PROTOCOL, [make_ensemble()])
    assert results.has((0, "ensemble", 0, 5))
    assert not results.has((0, "ensemble", 0, 7))
    results.add(make_ensemble(dice=(0.1, 0.1)))
    assert [run.dice for run in results.runs] == [(0.1, 0.1)]


def test_a_run_that_is_not_done_is_an_error_to_get() -> None:
    """Asking for a run that is not there tells its key."""
    with pytest.raises(KeyError, match=r"\(0, 'ensemble', 0, 7\)"):
        Results(PROTOCOL).get((0, "ensemble", 0, 7))


def test_two_runs_of_one_key_are_refused() -> None:
    """A list with the same unit twice is an error, not a silent choice."""
    with pytest.raises(ResultsError, match="same key"):
        Results(PROTOCOL, [make_ensemble(), make_ensemble()])


def test_a_protocol_that_json_cannot_keep_is_refused() -> None:
    """A protocol is checked when it is given, not hours later at the first save."""
    with pytest.raises(ResultsError, match="protocol"):
        Results({"lr": math.nan})
    with pytest.raises(ResultsError, match="protocol"):
        Results({"path": Path()})


def test_every_half_of_a_file_is_an_error_with_a_remedy(tmp_path: Path) -> None:
    """A file cut off anywhere is never read as results."""
    path = tmp_path / "results.json"
    Results(PROTOCOL, [make_ensemble()]).save(path)
    whole = path.read_bytes().rstrip()
    for end in range(0, len(whole), 37):
        path.write_bytes(whole[:end])
        with pytest.raises(ResultsError, match=r"half-written.*--out"):
            Results.load(path)


@pytest.mark.parametrize(
    "content",
    [
        "[]",
        '{"runs": []}',
        '{"format": "experiment-results", "version": 9}',
        '{"format": "experiment-results", "version": 1, "runs": []}',
        '{"format": "experiment-results", "version": 1, "protocol": {}, "runs": [3]}',
        pytest.param("[" * 100_000, id="nested too deeply"),
    ],
)
def test_a_foreign_file_is_an_error(tmp_path: Path, content: str) -> None:
    """JSON of another program or version is refused and left as it is."""
    path = tmp_path / "results.json"
    path.write_text(content)
    with pytest.raises(ResultsError, match="--out"):
        Results.load(path)
    assert path.read_text() == content


def test_a_run_without_a_field_is_an_error(tmp_path: Path) -> None:
    """A field that someone deleted by hand is named, and so is its run."""
    path = tmp_path / "results.json"
    Results(PROTOCOL, [make_ensemble()]).save(path)
    content = json.loads(path.read_text())
    del content["runs"][0]["seed"]
    path.write_text(json.dumps(content))
    with pytest.raises(ResultsError, match=r"'ensemble', 0, 5\) .*seed"):
        Results.load(path)


def test_no_file_is_an_error_to_load(tmp_path: Path) -> None:
    """Loading where nothing was run says so."""
    with pytest.raises(ResultsError, match="run the experiment first"):
        Results.load(tmp_path / "results.json")


def test_resume_begins_without_a_file(tmp_path: Path) -> None:
    """The first start has no runs and writes nothing."""
    path = tmp_path / "results.json"
    assert Results.resume(path, PROTOCOL, SAME).runs == []
    assert not path.exists()


def test_resume_lets_the_experiment_grow(tmp_path: Path) -> None:
    """More strategies, sizes and experiments may be asked for; what was done stays part of the protocol."""
    path = tmp_path / "results.json"
    Results(PROTOCOL, [make_ensemble()]).save(path)
    asked = PROTOCOL | {
        "experiments": 1,
        "strategies": ["ensemble", "coreset"],
        "sizes": (3, 5, 7),
        "jobs": 2,
    }
    resumed = Results.resume(path, asked, SAME)
    assert resumed.has(make_ensemble().key)
    assert resumed.protocol["strategies"] == ["random", "ensemble", "coreset"]
    assert (resumed.protocol["experiments"], resumed.protocol["sizes"], resumed.protocol["jobs"]) == (
        2,
        [3, 5, 7],
        2,
    )


def test_resume_compares_the_options_of_strategies_on_both_sides(tmp_path: Path) -> None:
    """A strategy with options may come or go; with other options it is refused."""
    path = tmp_path / "results.json"
    Results({"strategies": ["random", "a"], "options": {"a": {"candidates": 2}}}).save(path)
    asked = {"strategies": ["random", "b"], "options": {"b": {"candidates": 9}}}
    assert Results.resume(path, asked, ("options",)).protocol["options"] == {
        "a": {"candidates": 2},
        "b": {"candidates": 9},
    }
    with pytest.raises(ProtocolError) as caught:
        Results.resume(path, {"strategies": ["a"], "options": {"a": {"candidates": 3}}}, ("options",))
    assert caught.value.different == {"options.a.candidates": (2, 3)}


def test_an_option_that_results_do_not_tell_had_its_default(tmp_path: Path) -> None:
    """So that results of a release before the option go on."""
    path = tmp_path / "results.json"
    Results({"strategies": ["task_dependent"], "options": {"task_dependent": {"candidates": 16}}}).save(path)

    def asked(**options: object) -> dict[str, object]:
        return {
            "strategies": ["task_dependent"],
            "options": {
                "task_dependent": default_options("task_dependent")
                | paper_options("task_dependent")
                | options
            },
        }

    assert (
        Results.resume(path, asked(), ("options",)).protocol["options"]["task_dependent"]["true_masks"]
        is False
    )
    with pytest.raises(ProtocolError) as caught:
        Results.resume(path, asked(true_masks=True), ("options",))
    assert caught.value.different == {"options.task_dependent.true_masks": (False, True)}


def test_resume_names_what_differs_and_the_remedy(tmp_path: Path) -> None:
    """Another recipe is refused with the narrowest key, both values and what to do;
    keys that agree are not named."""
    path = tmp_path / "results.json"
    Results(PROTOCOL, [make_ensemble()]).save(path)
    with pytest.raises(ProtocolError) as caught:
        Results.resume(path, {**PROTOCOL, "recipe": {"steps": 900, "lr": 0.001}}, SAME)
    assert caught.value.different == {"recipe.steps": (500, 900)}
    text = str(caught.value)
    for part in ("recipe.steps", "500", "900", "--out"):
        assert part in text
    assert "delete" not in text
    assert "lr" not in text


def test_resume_names_a_key_that_one_side_lacks(tmp_path: Path) -> None:
    """A key that only one protocol has counts as different."""
    path = tmp_path / "results.json"
    Results({"data": "axons"}).save(path)
    with pytest.raises(ProtocolError) as caught:
        Results.resume(path, {"data": "axons", "split": 3}, ("data", "split"))
    assert caught.value.different == {"split": (None, 3)}


@pytest.mark.parametrize(
    ("asked", "fine"),
    [([5], True), ([5, 7, 9, 16], True), ([5, 7, 16], True), ([7], False), ([5, 6, 7], False)],
)
def test_sizes_grow_only_at_the_end(tmp_path: Path, asked: list[int], fine: bool) -> None:
    """A size between two done ones is refused, since the later set was not built on it;
    the whole pool may come anywhere."""
    path = tmp_path / "results.json"
    Results({"sizes": [5, 7], "pool_size": 16}).save(path)
    if fine:
        Results.resume(path, {"sizes": asked, "pool_size": 16}, ())
        return
    with pytest.raises(ResultsError, match="at the end"):
        Results.resume(path, {"sizes": asked, "pool_size": 16}, ())


def test_a_run_cannot_be_changed() -> None:
    """A kept score is not edited in place."""
    with pytest.raises(dataclasses.FrozenInstanceError):
        make_ensemble().seed = 3  # type: ignore[misc]


def test_a_protocol_with_names_that_are_no_text_is_kept_and_read(tmp_path: Path) -> None:
    """As a command may name a folder; and as some editors save it."""
    path = tmp_path / "results.json"
    Results({"command": "--out " + os.fsdecode(b"caf\xe9"), "sizes": [3]}).save(path)
    path.write_bytes(codecs.BOM_UTF8 + path.read_bytes())
    assert Results.load(path).protocol == {"command": "--out caf?", "sizes": [3]}
