"""The experiment itself, on small images made here."""

import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from model.data.masks.files import write_mask
from model.errors import BudgetError, OutputError, PoolError, StrategyError
from model.experiment import transfer
from model.experiment.record.results import Results
from model.experiment.record.run import FALLBACK, INITIAL, RANDOM, WHOLE
from model.experiment.runner import run_experiment
from model.experiment.split import Split
from model.network import pseudo_labels
from model.network.device import default_device
from model.network.dice import dice
from model.network.inference import predict_masks
from model.network.training import train
from model.similarity.round import Round
from model.strategies.task_dependent import TaskDependent
from tests.model.experiment.small_runs import TINY, protocol_of


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
    seeds = [
        {run.seed for run in finished[1].runs if run.experiment == experiment} for experiment in range(2)
    ]
    assert [len(of_one) for of_one in seeds] == [1, 1]
    assert seeds[0] != seeds[1]


def test_no_test_image_is_ever_trained_on(finished: tuple[Path, Results], data: Path) -> None:
    test = set(Split.read(data / "split.json").test)
    assert all(not test & set(run.chosen) for run in finished[1].runs)


def test_a_score_is_the_test_dice_of_a_network_trained_on_the_set_alone(
    finished: tuple[Path, Results], data: Path
) -> None:
    run = finished[1].get((1, "task_dependent", 0, 5))
    pool, split = protocol_of(data).read_pool(), Split.read(data / "split.json")
    model = train(
        [pool.images[i] for i in run.chosen],
        [pool.labels[i] for i in run.chosen],
        classes=2,
        recipe=TINY,
        seed=run.seed,
    )
    masks = predict_masks(model, [pool.images[i] for i in split.test])
    dices = sorted(dice(mask, pool.labels[i], 2) for i, mask in zip(split.test, masks, strict=True))
    assert run.mean_dice == pytest.approx(np.mean(dices), abs=0.02)  # the number of threads may differ
    assert run.mean_worst_dice == pytest.approx(dices[0], abs=0.02)


def test_the_outputs_are_written(finished: tuple[Path, Results]) -> None:
    out, results = finished
    assert Results.load(out / "results.json").runs == results.runs
    assert (out / "curve.png").read_bytes().startswith(b"\x89PNG")
    assert "task_dependent" in (out / "report.md").read_text()


@pytest.mark.parametrize("study", ["experiment", "transfer"])
def test_a_pool_without_any_foreground_is_said_before_any_work(
    data: Path, tmp_path: Path, study: str
) -> None:
    shutil.copytree(data, tmp_path / "blank")
    for number in range(8):
        write_mask(tmp_path / "blank" / "masks" / f"{number:02d}.png", np.zeros((48, 48), np.uint8))
    protocol = protocol_of(tmp_path / "blank", split=tmp_path / "blank" / "split.json")
    studies: dict[str, Callable[[], object]] = {
        "experiment": lambda: run_experiment(protocol, tmp_path),
        "transfer": lambda: transfer.study(protocol, 1, tmp_path, jobs=1, on_done=lambda *_: None),
    }
    with pytest.raises(PoolError, match="None of the 8"):
        studies[study]()


def test_transfer_says_where_the_first_network_finds_nothing(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No network is trained on its pseudo-labels."""
    monkeypatch.setattr(pseudo_labels, "trainable", lambda _: False)
    counts: list[tuple[int, int]] = []
    transfer.study(
        protocol_of(data, experiments=1), 1, tmp_path, jobs=1, on_done=lambda *done: counts.append(done)
    )
    assert counts == [(0, 0)]
    assert "finds nothing" in (tmp_path / "transfer.md").read_text()


def test_an_arm_whose_model_finds_nothing_goes_on_by_chance(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pseudo_labels, "trainable", lambda _: False)
    results = run_experiment(
        protocol_of(data, experiments=1, strategies=("random", "task_dependent"), sizes=(3,)), tmp_path
    )
    own = results.get((0, "task_dependent", 0, 3))
    assert own.notes == {FALLBACK: 1.0}
    assert own.chosen != results.get((0, "random", 0, 3)).chosen, "not the same draw once more"
    assert "at random: task_dependent 1" in (tmp_path / "report.md").read_text()


def test_a_step_that_was_cut_off_is_charged_for_all_of_its_networks(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three networks of half a second each;
    the process is stopped in the third, and the step goes on with that one alone."""
    protocol = protocol_of(
        data,
        experiments=1,
        strategies=("task_dependent",),
        sizes=(3,),
        options={"task_dependent": {"candidates": 3}},
    )
    trained: list[str] = []
    stop_at = 3

    real = TaskDependent.run_unit

    def slow(strategy: TaskDependent, round_: Round, unit: str) -> None:
        if (round_.folder / strategy.artifact(unit)).exists():
            return
        if len(trained) + 1 == stop_at:
            raise KeyboardInterrupt
        time.sleep(0.5)
        trained.append(unit)
        real(strategy, round_, unit)

    monkeypatch.setattr(TaskDependent, "run_unit", slow)
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
    machine = f"device {default_device().type}, threads {torch.get_num_threads()}, precision"
    assert machine in (out / "report.md").read_text()


def test_an_out_that_cannot_be_written_is_said_before_any_work(data: Path, tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file")
    with pytest.raises(OutputError, match="cannot be written"):
        run_experiment(protocol_of(data), tmp_path / "out")


def test_two_processes_find_what_one_finds(
    finished: tuple[Path, Results], data: Path, tmp_path: Path
) -> None:
    results = run_experiment(protocol_of(data, experiments=1, random_draws=1), tmp_path, jobs=2)
    assert len(results.runs) == 2 + 2 * 2
    for run in results.runs:
        same = finished[1].get(run.key)
        if run.strategy == RANDOM:
            assert run.chosen == same.chosen


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
    "content",
    [
        "{",
        "[]",
        '{"pool": []}',
        '{"pool": ["00.png"], "test": ["00.png"]}',
        '{"pool": ["00.png"], "test": ["gone.png"]}',
    ],
)
def test_a_split_that_cannot_be_used_is_said(data: Path, tmp_path: Path, content: str) -> None:
    (tmp_path / "split.json").write_text(content)
    with pytest.raises(PoolError, match=r"split\.json"):
        run_experiment(protocol_of(data, split=tmp_path / "split.json", sizes=(3,)), tmp_path)
