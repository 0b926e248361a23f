"""Experiments that were killed, grow, or find what another one left."""

import dataclasses
import json
import multiprocessing
import shutil
from pathlib import Path

import pytest

from model.errors import ProcessEndedError, ProtocolError
from model.experiment.protocol import Protocol
from model.experiment.record.plan import missing
from model.experiment.record.run import INITIAL, RANDOM, WHOLE, Run
from model.experiment.runner import run_experiment
from tests.model.experiment.small_runs import TINY, protocol_of

pytestmark = pytest.mark.usefixtures("without_report")


def test_a_killed_experiment_goes_on_without_repeating_what_is_done(data: Path, tmp_path: Path) -> None:
    protocol = protocol_of(data, experiments=1)
    seen: list[Run] = []

    def kill(run: Run, done: int, _total: int) -> None:
        seen.append(run)
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_experiment(protocol, tmp_path, on_run=kill)
    results = run_experiment(protocol, tmp_path, on_run=lambda run, _d, _t: seen.append(run))
    assert len(seen) == len({run.key for run in seen}) == len(results.runs)
    assert results.runs == run_experiment(protocol, tmp_path).runs


def test_an_experiment_may_grow_by_arms_and_repetitions(data: Path, tmp_path: Path) -> None:
    run_experiment(protocol_of(data, experiments=1, sizes=(3,)), tmp_path)
    counted: list[tuple[int, int]] = []
    results = run_experiment(
        protocol_of(data, experiments=2, strategies=(RANDOM, "uncertainty"), sizes=(3,), options={}),
        tmp_path,
        on_begin=lambda done, total: counted.append((done, total)),
        on_run=lambda _, done, total: counted.append((done, total)),
    )
    assert {run.strategy for run in results.runs} == {INITIAL, RANDOM, WHOLE, "task_dependent", "uncertainty"}
    assert counted == [(done, 10) for done in range(4, 11)]


def test_an_experiment_may_grow_by_draws_and_repeated_trainings(data: Path, tmp_path: Path) -> None:
    """What was chosen and scored before stays, also where the work folder was deleted;
    the rest is as if all had been asked for at once."""
    small = protocol_of(data, experiments=1, sizes=(3, 5), random_draws=1)
    large = dataclasses.replace(small, random_draws=2, repeats=2)
    before = run_experiment(small, tmp_path / "grown").runs
    shutil.rmtree(tmp_path / "grown" / "work")
    counted: list[tuple[int, int]] = []
    grown = run_experiment(
        large,
        tmp_path / "grown",
        on_begin=lambda done, total: counted.append((done, total)),
        on_run=lambda _, done, total: counted.append((done, total)),
    )
    assert counted == [(done, 8) for done in range(9)]
    assert missing(grown) == []
    for run in before:
        now = grown.get(run.key)
        assert (now.chosen, now.query_seconds, now.dice[:1]) == (run.chosen, run.query_seconds, run.dice)
        assert now.train_seconds > run.train_seconds
    assert any(run.dice[0] != run.dice[1] for run in grown.runs)  # each training has a seed of its own
    at_once = run_experiment(large, tmp_path / "at once").runs
    assert [(run.key, run.chosen, run.dice, run.worst_dice) for run in grown.runs] == [
        (run.key, run.chosen, run.dice, run.worst_dice) for run in at_once
    ]


def test_with_fewer_than_before_an_experiment_goes_on_with_what_there_was(data: Path, tmp_path: Path) -> None:
    """Or some sizes would be means of more draws, or of more trainings, than others."""
    large = protocol_of(
        data, experiments=2, strategies=(RANDOM,), sizes=(3,), random_draws=2, repeats=2, options={}
    )
    run_experiment(large, tmp_path)
    grown = run_experiment(
        dataclasses.replace(large, experiments=1, sizes=(3, 5), random_draws=1, repeats=1), tmp_path
    )
    assert missing(grown) == []
    assert {(run.experiment, run.draw, len(run.dice)) for run in grown.runs if run.size == 5} == {
        (e, d, 2) for e in (0, 1) for d in (0, 1)
    }


def test_files_that_the_split_does_not_name_do_not_matter(data: Path, tmp_path: Path) -> None:
    """A lab adds images, and a Mac its own files; another image of the split is another experiment."""
    folder, out = shutil.copytree(data, tmp_path / "data"), tmp_path / "out"
    protocol = protocol_of(
        folder,
        split=folder / "split.json",
        experiments=1,
        strategies=(RANDOM,),
        sizes=(3,),
        random_draws=1,
        options={},
    )
    run_experiment(protocol, out)
    (folder / "images" / ".DS_Store").touch()
    shutil.copy(folder / "images" / "00.png", folder / "images" / "new.png")
    assert not _begun(protocol, out)
    shutil.copy(folder / "images" / "00.png", folder / "images" / "01.png")
    with pytest.raises(ProtocolError) as caught:
        run_experiment(protocol, out)
    assert caught.value.different.keys() == {"data_digest"}


def _begun(protocol: Protocol, out: Path) -> list[Run]:
    """What is run when an experiment is asked for again."""
    seen: list[Run] = []
    run_experiment(protocol, out, on_run=lambda run, _done, _total: seen.append(run))
    return seen


def test_a_process_that_is_killed_is_told(data: Path, tmp_path: Path) -> None:
    """As the system does when memory runs out; what is finished is kept, and the message says what to do."""
    protocol = protocol_of(
        data, experiments=1, strategies=(RANDOM,), sizes=(3, 5), random_draws=1, options={}
    )

    def kill(*_: object) -> None:
        for process in multiprocessing.active_children():
            process.kill()

    with pytest.raises(ProcessEndedError, match="fewer --jobs"):
        run_experiment(protocol, tmp_path, jobs=2, on_run=kill)
    assert 0 < len(_begun(protocol, tmp_path)) < 4


def test_results_of_another_recipe_are_not_mixed_in(data: Path, tmp_path: Path) -> None:
    run_experiment(protocol_of(data, experiments=1, strategies=(RANDOM,), sizes=(3,)), tmp_path)
    with pytest.raises(ProtocolError) as caught:
        run_experiment(protocol_of(data, recipe=TINY.replace(steps=7)), tmp_path)
    assert caught.value.different == {"recipe.steps": (TINY.steps, 7)}


def test_scores_of_another_recipe_are_not_used_again(data: Path, tmp_path: Path) -> None:
    """Also where results.json is gone and the work folder is not."""
    protocol = protocol_of(data, experiments=1, strategies=(RANDOM,), sizes=(3,), random_draws=1)
    run_experiment(protocol, tmp_path)
    (tmp_path / "results.json").unlink()
    longer = dataclasses.replace(protocol, recipe=TINY.replace(steps=12))
    assert (
        run_experiment(longer, tmp_path).runs[0].dice
        == run_experiment(longer, tmp_path / "fresh").runs[0].dice
    )


@pytest.mark.parametrize("file", ["score.json", "model/weights.safetensors"])
def test_damaged_scores_are_made_again(data: Path, tmp_path: Path, file: str) -> None:
    """The network of a score is the f_L of the next step."""
    protocol = protocol_of(data, experiments=1, strategies=("uncertainty",), sizes=(3,))
    run_experiment(protocol, tmp_path)
    content = json.loads((tmp_path / "results.json").read_text())
    kept = [run for run in content["runs"] if run["strategy"] != "uncertainty"]
    (tmp_path / "results.json").write_text(json.dumps(content | {"runs": kept}))
    for path in (tmp_path / "work" / "scores").glob(f"*/0/{file}"):
        path.write_text("{}")
    assert [run.dice for run in run_experiment(protocol, tmp_path).runs] == [
        tuple(run["dice"]) for run in content["runs"]
    ]


def test_results_of_an_edited_split_are_not_continued(data: Path, tmp_path: Path) -> None:
    split = tmp_path / "split.json"
    content = json.loads((data / "split.json").read_text())
    split.write_text(json.dumps(content))
    protocol = protocol_of(data, split=split, experiments=1, strategies=(RANDOM,), sizes=(3,), random_draws=1)
    run_experiment(protocol, tmp_path / "out")
    content["pool"][0], content["test"][0] = content["test"][0], content["pool"][0]
    split.write_text(json.dumps(content))
    with pytest.raises(ProtocolError) as caught:
        run_experiment(protocol, tmp_path / "out")
    assert caught.value.different.keys() == {"split_digest"}
