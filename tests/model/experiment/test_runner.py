"""The experiment itself, on small images made here."""

import dataclasses
import json
import multiprocessing
import shutil
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
import torch

from model.arrays import Mask
from model.device import default_device
from model.dice import dice
from model.errors import BudgetError, OutputError, PoolError, ProcessEndedError, ResultsError, StrategyError
from model.experiment import transfer
from model.experiment.protocol import Protocol, Split
from model.experiment.results import FALLBACK, INITIAL, RANDOM, WHOLE, Results, Run, missing
from model.experiment.runner import run_experiment
from model.inference import predict_masks
from model.masks import write_mask
from model.recipe import Recipe
from model.round import Round
from model.similarity import train_row
from model.training import train
from tests.model.conftest import blobs

TINY = Recipe(width=4, depth=2, max_side=48, crop=32, batch=2, steps=6, row_steps=3)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Fourteen labelled images, eight of them in the pool."""
    folder = tmp_path_factory.mktemp("data")
    (folder / "images").mkdir()
    (folder / "masks").mkdir()
    for seed in range(14):
        image, mask = blobs(seed, bright=seed % 3 != 2)
        gray = np.clip(image[:, :, 0] * 40 + 120, 0, 255).astype(np.uint8)
        write_mask(folder / "images" / f"{seed:02d}.png", gray)
        write_mask(folder / "masks" / f"{seed:02d}.png", mask, white=True)
    names = [f"{seed:02d}.png" for seed in range(14)]
    (folder / "split.json").write_text(json.dumps({"pool": names[:8], "test": names[8:]}))
    return folder


def protocol_of(data: Path, **changes: object) -> Protocol:
    settings: dict[str, object] = {
        "data": data,
        "split": data / "split.json",
        "strategies": (RANDOM, "task_dependent"),
        "experiments": 2,
        "initial": 2,
        "sizes": (3, 5, 8),
        "recipe": TINY,
        "random_draws": 2,
        "options": {"task_dependent": {"candidates": 2}},
    }
    return Protocol(**(settings | changes))  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def finished(data: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Results]:
    out = tmp_path_factory.mktemp("out")
    return out, run_experiment(protocol_of(data), out)


def test_every_arm_has_every_size_and_the_whole_pool_is_scored_once(finished: tuple[Path, Results]) -> None:
    _, results = finished
    keys = {run.key for run in results.runs}
    for experiment in range(2):
        assert {(experiment, INITIAL, 0, 2), (experiment, WHOLE, 0, 8)} <= keys
        assert {(experiment, RANDOM, draw, size) for draw in range(2) for size in (3, 5)} <= keys
        assert {(experiment, "task_dependent", 0, size) for size in (3, 5)} <= keys
    assert len(keys) == 2 * (2 + 3 * 2)


def test_arms_start_from_the_same_set_and_only_add_to_it(finished: tuple[Path, Results]) -> None:
    _, results = finished
    for experiment in range(2):
        first = set(results.get((experiment, INITIAL, 0, 2)).chosen)
        for strategy, draw in [(RANDOM, 0), (RANDOM, 1), ("task_dependent", 0)]:
            small, large = (set(results.get((experiment, strategy, draw, size)).chosen) for size in (3, 5))
            assert first < small < large
            assert set(results.get((experiment, strategy, draw, 5)).added) == large - small


def test_all_arms_of_an_experiment_share_its_seed(finished: tuple[Path, Results]) -> None:
    seeds = [{run.seed for run in finished[1].runs if run.experiment == experiment} for experiment in range(2)]
    assert [len(of_one) for of_one in seeds] == [1, 1]
    assert seeds[0] != seeds[1]


def test_no_test_image_is_ever_trained_on(finished: tuple[Path, Results], data: Path) -> None:
    test = set(Split.read(data / "split.json").test)
    assert all(not test & set(run.chosen) for run in finished[1].runs)


def test_a_score_is_the_test_dice_of_a_network_trained_on_the_set_alone(finished: tuple[Path, Results], data: Path) -> None:
    run = finished[1].get((1, "task_dependent", 0, 5))
    pool, split = protocol_of(data).read_pool(), Split.read(data / "split.json")
    model = train([pool.images[i] for i in run.chosen], [pool.labels[i] for i in run.chosen], classes=2, recipe=TINY, seed=run.seed)
    masks = predict_masks(model, [pool.images[i] for i in split.test])
    dices = sorted(dice(mask, pool.labels[i], 2) for i, mask in zip(split.test, masks, strict=True))
    assert run.mean_dice == pytest.approx(np.mean(dices), abs=0.02)  # the number of threads may differ
    assert run.mean_worst_dice == pytest.approx(dices[0], abs=0.02)


def test_the_outputs_are_written(finished: tuple[Path, Results]) -> None:
    out, results = finished
    assert Results.load(out / "results.json").runs == results.runs
    assert (out / "curve.png").read_bytes().startswith(b"\x89PNG")
    assert "task_dependent" in (out / "report.md").read_text()


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
    """What was chosen and scored before stays, also where the work folder was deleted; the rest is as if all had been asked for at once."""
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
    large = protocol_of(data, experiments=2, strategies=(RANDOM,), sizes=(3,), random_draws=2, repeats=2, options={})
    run_experiment(large, tmp_path)
    grown = run_experiment(dataclasses.replace(large, experiments=1, sizes=(3, 5), random_draws=1, repeats=1), tmp_path)
    assert missing(grown) == []
    assert {(run.experiment, run.draw, len(run.dice)) for run in grown.runs if run.size == 5} == {(e, d, 2) for e in (0, 1) for d in (0, 1)}


def test_the_report_of_what_is_grown_says_at_once_that_it_is_incomplete(data: Path, tmp_path: Path) -> None:
    small = protocol_of(data, experiments=1, strategies=(RANDOM,), sizes=(3,), random_draws=1, options={})
    run_experiment(small, tmp_path)
    assert "Incomplete" not in (tmp_path / "report.md").read_text()

    def kill(*_: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_experiment(dataclasses.replace(small, experiments=2), tmp_path, on_run=kill)
    assert "Incomplete" in (tmp_path / "report.md").read_text()


def test_files_that_the_split_does_not_name_do_not_matter(data: Path, tmp_path: Path) -> None:
    """A lab adds images, and a Mac its own files; another image of the split is another experiment."""
    folder, out = shutil.copytree(data, tmp_path / "data"), tmp_path / "out"
    protocol = protocol_of(folder, split=folder / "split.json", experiments=1, strategies=(RANDOM,), sizes=(3,), random_draws=1, options={})
    run_experiment(protocol, out)
    (folder / "images" / ".DS_Store").touch()
    shutil.copy(folder / "images" / "00.png", folder / "images" / "new.png")
    assert not _begun(protocol, out)
    shutil.copy(folder / "images" / "00.png", folder / "images" / "01.png")
    with pytest.raises(ResultsError, match="data_digest"):
        run_experiment(protocol, out)


def _begun(protocol: Protocol, out: Path) -> list[Run]:
    """What is run when an experiment is asked for again."""
    seen: list[Run] = []
    run_experiment(protocol, out, on_run=lambda run, _done, _total: seen.append(run))
    return seen


def test_trainings_that_ran_elsewhere_are_told(data: Path, tmp_path: Path) -> None:
    protocol = protocol_of(data, experiments=1, strategies=(RANDOM,), sizes=(3,), random_draws=1, options={})
    path = tmp_path / "results.json"
    run_experiment(protocol, tmp_path)
    results = Results.load(path)
    for run in results.runs:
        results.add(dataclasses.replace(run, machine={**run.machine, "device": "NVIDIA H200"}))
    results.save(path)
    run_experiment(dataclasses.replace(protocol, repeats=2), tmp_path)
    assert "device NVIDIA H200 and " in (tmp_path / "report.md").read_text()


def test_a_process_that_is_killed_is_told(data: Path, tmp_path: Path) -> None:
    """As the system does when memory runs out; what is finished is kept, and the message says what to do."""
    protocol = protocol_of(data, experiments=1, strategies=(RANDOM,), sizes=(3, 5), random_draws=1, options={})

    def kill(*_: object) -> None:
        for process in multiprocessing.active_children():
            process.kill()

    with pytest.raises(ProcessEndedError, match="fewer --jobs"):
        run_experiment(protocol, tmp_path, jobs=2, on_run=kill)
    assert 0 < len(_begun(protocol, tmp_path)) < 4


def test_results_of_another_recipe_are_not_mixed_in(data: Path, tmp_path: Path) -> None:
    run_experiment(protocol_of(data, experiments=1, strategies=(RANDOM,), sizes=(3,)), tmp_path)
    with pytest.raises(ResultsError, match=r"recipe.steps"):
        run_experiment(protocol_of(data, recipe=TINY.replace(steps=7)), tmp_path)


def test_scores_of_another_recipe_are_not_used_again(data: Path, tmp_path: Path) -> None:
    """Also when results.json was deleted, as its error advises, and the work folder was not."""
    protocol = protocol_of(data, experiments=1, strategies=(RANDOM,), sizes=(3,), random_draws=1)
    run_experiment(protocol, tmp_path)
    (tmp_path / "results.json").unlink()
    longer = dataclasses.replace(protocol, recipe=TINY.replace(steps=12))
    assert run_experiment(longer, tmp_path).runs[0].dice == run_experiment(longer, tmp_path / "fresh").runs[0].dice


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
    assert [run.dice for run in run_experiment(protocol, tmp_path).runs] == [tuple(run["dice"]) for run in content["runs"]]


@pytest.mark.parametrize("study", ["experiment", "transfer"])
def test_a_pool_without_any_foreground_is_said_before_any_work(data: Path, tmp_path: Path, study: str) -> None:
    shutil.copytree(data, tmp_path / "blank")
    for number in range(8):
        write_mask(tmp_path / "blank" / "masks" / f"{number:02d}.png", np.zeros((48, 48), np.uint8))
    protocol = protocol_of(tmp_path / "blank", split=tmp_path / "blank" / "split.json")
    studies: dict[str, Callable[[], object]] = {
        "experiment": lambda: run_experiment(protocol, tmp_path),
        "transfer": lambda: transfer.study(protocol, 1, tmp_path, jobs=1, on_done=lambda *_: None),
    }
    with pytest.raises(PoolError, match="None of the 8 pool images"):
        studies[study]()


def test_transfer_says_where_the_first_network_finds_nothing(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No network is trained on its pseudo-labels."""
    monkeypatch.setattr("model.pseudo_labels.trainable", lambda _: False)
    counts: list[tuple[int, int]] = []
    transfer.study(protocol_of(data, experiments=1), 1, tmp_path, jobs=1, on_done=lambda *done: counts.append(done))
    assert counts == [(0, 0)]
    assert "finds nothing" in (tmp_path / "transfer.md").read_text()


def test_results_of_an_edited_split_are_not_continued(data: Path, tmp_path: Path) -> None:
    split = tmp_path / "split.json"
    content = json.loads((data / "split.json").read_text())
    split.write_text(json.dumps(content))
    protocol = protocol_of(data, split=split, experiments=1, strategies=(RANDOM,), sizes=(3,), random_draws=1)
    run_experiment(protocol, tmp_path / "out")
    content["pool"][0], content["test"][0] = content["test"][0], content["pool"][0]
    split.write_text(json.dumps(content))
    with pytest.raises(ResultsError, match="split_digest"):
        run_experiment(protocol, tmp_path / "out")


def test_an_arm_whose_model_finds_nothing_goes_on_by_chance(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("model.pseudo_labels.trainable", lambda _: False)
    results = run_experiment(protocol_of(data, experiments=1, strategies=("task_dependent",), sizes=(3,)), tmp_path)
    assert results.get((0, "task_dependent", 0, 3)).notes == {FALLBACK: 1.0}
    assert "drawn at random: task_dependent 1" in (tmp_path / "report.md").read_text()


def test_a_step_that_was_cut_off_is_charged_for_all_of_its_networks(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three networks of half a second each; the process is stopped in the third, and the step goes on with that one alone."""
    protocol = protocol_of(data, experiments=1, strategies=("task_dependent",), sizes=(3,), options={"task_dependent": {"candidates": 3}})
    trained: list[str] = []
    stop_at = 3

    def slow(round_: Round, k: str, labels: Mapping[str, Mask]) -> dict[str, float]:
        if len(trained) + 1 == stop_at:
            raise KeyboardInterrupt
        time.sleep(0.5)
        trained.append(k)
        return train_row(round_, k, labels)

    monkeypatch.setattr("model.strategies.task_dependent.train_row", slow)
    with pytest.raises(KeyboardInterrupt):
        run_experiment(protocol, tmp_path)
    stop_at = 0
    run = run_experiment(protocol, tmp_path).get((0, "task_dependent", 0, 3))
    assert len(trained) == len(set(trained)) == 3
    assert run.query_seconds >= 1.5


def test_each_run_tells_the_machine_it_was_trained_on(finished: tuple[Path, Results]) -> None:
    out, results = finished
    expected = {"device": default_device().type, "threads": torch.get_num_threads()}
    for run in results.runs:
        assert expected.items() <= run.machine.items()
        assert run.machine["precision"] in ("float32", "bfloat16")
    assert all(run["machine"] for run in json.loads((out / "results.json").read_text())["runs"])
    assert "machine" not in results.protocol
    assert f"Trained on: device {default_device().type}, threads {torch.get_num_threads()}, precision" in (out / "report.md").read_text()


def test_an_experiment_begun_on_another_machine_goes_on(data: Path, tmp_path: Path) -> None:
    """Device, threads and precision change the last digits, which is told, not refused; a run of before they were noted is kept as well."""
    protocol = protocol_of(data, experiments=1, strategies=(RANDOM,), sizes=(3,), random_draws=1)
    run_experiment(protocol, tmp_path)
    content = json.loads((tmp_path / "results.json").read_text())
    content["runs"][0]["machine"] = {"device": "NVIDIA H200", "threads": 16, "precision": "bfloat16"}
    del content["runs"][1]["machine"]
    (tmp_path / "results.json").write_text(json.dumps(content))
    after = run_experiment(dataclasses.replace(protocol, sizes=(3, 4)), tmp_path)
    assert [run.machine.get("device") for run in after.runs][:2] == ["NVIDIA H200", None]
    assert after.get((0, RANDOM, 0, 4)).machine["device"] == default_device().type
    report = (tmp_path / "report.md").read_text()
    assert "device NVIDIA H200, threads 16, precision bfloat16 (1 set)" in report
    assert "Seconds of different machines do not compare" in report


def test_an_out_that_cannot_be_written_is_said_before_any_work(data: Path, tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file")
    with pytest.raises(OutputError, match="cannot be written"):
        run_experiment(protocol_of(data), tmp_path / "out")


def test_two_processes_find_what_one_finds(finished: tuple[Path, Results], data: Path, tmp_path: Path) -> None:
    results = run_experiment(protocol_of(data), tmp_path, jobs=2)
    assert {run.key for run in results.runs} == {run.key for run in finished[1].runs}
    for run in results.runs:
        if run.strategy == RANDOM:
            assert run.chosen == finished[1].get(run.key).chosen


@pytest.mark.parametrize(
    ("changes", "error", "text"),
    [
        ({"sizes": (3, 9)}, BudgetError, "at most 8"),
        ({"sizes": (2, 4)}, BudgetError, "above the initial size 2"),
        ({"strategies": ("psychic",)}, StrategyError, "psychic"),
        ({"experiments": 0}, BudgetError, "experiments"),
    ],
)
def test_settings_that_cannot_be_are_said(
    data: Path, tmp_path: Path, changes: dict[str, object], error: type[Exception], text: str
) -> None:
    with pytest.raises(error, match=text):
        run_experiment(protocol_of(data, **changes), tmp_path)


@pytest.mark.parametrize(
    "content", ["{", "[]", '{"pool": []}', '{"pool": ["00.png"], "test": ["00.png"]}', '{"pool": ["00.png"], "test": ["gone.png"]}']
)
def test_a_split_that_cannot_be_used_is_said(data: Path, tmp_path: Path, content: str) -> None:
    (tmp_path / "split.json").write_text(content)
    with pytest.raises(PoolError, match=r"split\.json"):
        run_experiment(protocol_of(data, split=tmp_path / "split.json", sizes=(3,)), tmp_path)
