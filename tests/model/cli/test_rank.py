"""Ranking real images on the command line."""

import csv
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import Result

from model.cli import rank as rank_command
from model.cli.progress_bar import ProgressBar
from model.errors import StrategyError
from model.network.checkpoint import TrainedModel
from model.strategies import DEFAULT, default_options
from model.strategies.task_dependent import TaskDependent
from tests.model.cli.commands import FAST, METHOD, SIZE, model, rank


@pytest.mark.parametrize(
    ("strategy", "options"),
    [
        ("task_dependent", []),
        ("task_dependent", ["--similarity", "unet", "--candidates", "2"]),
        ("random", []),
    ],
)
def test_rank_writes_an_order_over_all_unlabelled_images(
    folder: Path, strategy: str, options: list[str]
) -> None:
    done = rank(folder, "--strategy", strategy, *options)
    assert done.exit_code == 0, done.stderr
    rows = list(csv.DictReader((folder / "ranking.csv").open()))
    assert list(rows[0]) == ["rank", "file", "batch", "expected_dice", "reason"]
    assert [row["rank"] for row in rows] == ["1", "2", "3", "4", "5"]
    assert sorted(row["file"] for row in rows) == sorted(
        {p.name for p in (folder / "images").iterdir()} - {p.name for p in (folder / "masks").iterdir()}
    )
    assert [row["batch"] for row in rows] == ["1", "1", "0", "0", "0"]
    assert all(row["reason"] for row in rows)
    if strategy == "task_dependent":
        assert all(0 < float(row["expected_dice"]) <= 1 for row in rows)
    assert ("worst expected dice" in done.stderr.splitlines()[-2]) == (strategy == "task_dependent")


def test_the_options_of_the_method_are_reached(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With their defaults where nothing is said."""
    seen: dict[str, object] = {}

    def get_strategy(name: str, **options: object) -> None:
        seen.update({"name": name} | options)
        raise StrategyError("enough")

    monkeypatch.setattr(rank_command, "get_strategy", get_strategy)
    given = ["--similarity", "unet", "--candidates", "3", "--true-masks", "--candidates-from-all"]
    assert rank(folder, *given).exit_code == 2
    assert seen == {
        **{"name": "task_dependent", "objective": "min_mean", "mutual": False, "likeness": False},
        "similarity": "unet",
        "candidates": 3,
        "true_masks": True,
        "candidates_from_all": True,
    }
    seen.clear()
    rank(folder, by="")
    assert seen == {"name": DEFAULT} | default_options(DEFAULT)
    seen.clear()
    rank(folder, "--strategy", "coverage", "--no-likeness")
    assert seen == {"name": "coverage"} | default_options("coverage") | {"likeness": False}
    shown = model("experiment", "--help").output
    assert "--true-masks" in shown
    assert "--candidates-from-all" in shown


def test_options_of_a_u_net_are_refused_where_none_is_trained(folder: Path) -> None:
    """`--recipe paper` does not make `task_dependent` the paper's: its default compares pixels."""
    compared = (["--recipe", "paper"], ["--steps", "20"], ["--strategy", DEFAULT, "--width", "8"])
    unseen = (["--strategy", name, "--steps", "20"] for name in ("looks", "random"))
    for options in (*compared, *unseen):
        done = rank(folder, *options)
        assert (done.exit_code, options[-2] in done.stderr) == (2, True), done.stderr
        assert not (folder / "ranking.csv").exists()


def test_the_networks_of_a_ranking_have_a_line_of_their_own(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It tells how long all of them will take; the steps of each, on the other line, do not overwrite it."""
    lines: dict[str, int] = {}
    monkeypatch.setattr(
        ProgressBar, "report", lambda _, line, _done, _total, step=None: lines.update({step: line})
    )
    assert rank(folder, "--similarity", "unet", "--candidates", "1").exit_code == 0
    networks = lines.pop("task_dependent: networks trained")
    assert any(str(step).startswith("Training on") for step in lines)
    assert networks not in lines.values()


def test_rank_of_three_classes(shared_data: Path, tmp_path: Path) -> None:
    source = shared_data / "axondeepseg_3class"
    (tmp_path / "masks").mkdir()
    for name in sorted(path.name for path in (source / "masks").iterdir())[:3]:
        shutil.copy(source / "masks" / name, tmp_path / "masks")
    done = model(
        "rank",
        "--images",
        f"{source}/images",
        "--masks",
        f"{tmp_path}/masks",
        "--budget",
        "3",
        "--out",
        f"{tmp_path}/ranking.csv",
        *SIZE,
    )
    assert done.exit_code == 0, done.stderr
    assert len((tmp_path / "ranking.csv").read_text().splitlines()) == 11


def test_the_table_names_images_in_sub_folders_by_their_path(shared_cases: Path, tmp_path: Path) -> None:
    done = rank(shared_cases / "24-subfolders", "--out", f"{tmp_path}/ranking.csv")
    assert done.exit_code == 0, done.stderr
    files = [row["file"] for row in csv.DictReader((tmp_path / "ranking.csv").open())]
    assert sorted(files) == sorted(f"plate1/c{number}.png" for number in range(3, 12))
    flat = rank(shared_cases / "24-subfolders", "--no-subfolders")
    assert flat.exit_code == 2
    assert "Passed over 9 images" in flat.stderr


def test_the_working_size_keeps_small_objects(tmp_path: Path) -> None:
    """Of 2 x 2 pixels in 1024 x 1024, without a word about sizes;
    a size that is asked for is kept, and what it loses is said."""
    mask = np.zeros((1024, 1024), np.uint8)
    mask[5:-5:37, 5:-5:37] = mask[5:-5:37, 6:-4:37] = mask[6:-4:37, 5:-5:37] = mask[6:-4:37, 6:-4:37] = 1
    for folder, file, content in (
        ("images", "a.png", 30 + 170 * mask),
        ("masks", "a.png", 255 * mask),
        ("images", "b.png", 30 + 170 * mask[::-1]),
    ):
        (tmp_path / folder).mkdir(exist_ok=True)
        Image.fromarray(content).save(tmp_path / folder / file)
    done = rank(tmp_path, "--budget", "1", "--strategy", "random", size=())
    assert done.exit_code == 0, done.stderr
    (works,) = (line for line in done.stderr.splitlines() if line.startswith("Works at --image-size 1024"))
    assert "588 of 784 objects" in works
    assert "Please look" not in done.stderr
    told = rank(tmp_path, "--budget", "1", "--strategy", "random", size=("--image-size", "512"))
    assert told.exit_code == 0, told.stderr
    (lost,) = (line for line in told.stderr.splitlines() if "--image-size 512, " in line)
    assert "588 of 784 objects" in lost
    assert "--image-size 1024" in lost
    assert "Works at" not in told.stderr


def rank_with_encoder(folder: Path, *options: str) -> Result:
    paths = ["--images", f"{folder}/images", "--masks", f"{folder}/masks", "--out", f"{folder}/ranking.csv"]
    return model(
        *["rank", *paths, "--budget", "2", "--strategy", METHOD, "--similarity", "unet", "--candidates", "1"],
        *["--encoder", "resnet18", *options, *FAST],
    )


def test_rank_with_an_encoder_of_the_library(folder: Path) -> None:
    """Its networks are trained, kept, found again by the next run, and order all images."""
    first = rank_with_encoder(folder, "--work", f"{folder}/work")
    assert first.exit_code == 0, first.stderr
    table = (folder / "ranking.csv").read_text()
    assert len(table.splitlines()) == 6
    assert TrainedModel.load(folder / "work" / "model").recipe.encoder == "resnet18"
    written = (folder / "work" / "model" / "weights.safetensors").stat().st_mtime_ns
    again = rank_with_encoder(folder, "--work", f"{folder}/work")
    assert again.exit_code == 0, again.stderr
    assert (folder / "ranking.csv").read_text() == table
    assert (folder / "work" / "model" / "weights.safetensors").stat().st_mtime_ns == written


def test_pretrained_weights_that_cannot_be_had_are_said(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a machine without internet access whose cache is empty."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(folder / "hub"))
    done = rank_with_encoder(folder, "--encoder-weights", "imagenet")
    assert done.exit_code == 2
    assert "weights 'imagenet' of encoder 'resnet18'" in done.stderr
    assert "leave encoder_weights empty" in done.stderr
    assert not (folder / "ranking.csv").exists()
    unknown = rank_with_encoder(folder, "--encoder-weights", "dreams")
    assert unknown.exit_code == 2
    assert "imagenet" in unknown.stderr


def test_names_with_brackets_are_shown_as_they_are(folder: Path) -> None:
    image = sorted((folder / "images").iterdir())[-1]
    image.rename(image.with_name("a [red] [i].png"))
    options = [
        "--images",
        f"{folder}/images",
        "--masks",
        f"{folder}/masks",
        "--strategy",
        "random",
        "--out",
        f"{folder}/r.csv",
    ]
    done = model("rank", *options, "--budget", "5", *SIZE)
    assert done.exit_code == 0, done.output
    assert "a [red] [i].png" in done.stderr
    done = model("rank", *options[:2], "--masks", f"{folder}/[/i]", "--budget", "5")
    assert done.exit_code == 2
    assert "[/i]" in done.stderr


def test_messages_are_not_wrapped_in_a_log(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "30")
    done = rank(folder, "--strategy", "random")
    (line,) = (line for line in done.stderr.splitlines() if line.startswith("8 images, 3 "))
    assert "2 classes" in line


def test_a_name_that_is_no_text_keeps_its_bytes(folder: Path) -> None:
    image = sorted((folder / "images").iterdir())[-1]
    image.rename(folder / "images" / os.fsdecode(b"\xff.png"))
    done = rank(folder)
    assert done.exit_code == 0, done.output
    assert (
        b",\xff.png,0," in (folder / "ranking.csv").read_bytes()
        or b",\xff.png,1," in (folder / "ranking.csv").read_bytes()
    )


def test_images_in_which_nothing_is_found_are_counted(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They come last without an expected dice, and the user hears so."""
    monkeypatch.setattr(TaskDependent, "blank", lambda _, round_: frozenset(round_.unlabelled[:2]))
    done = rank(folder, "--similarity", "unet", "--candidates", "2")
    assert done.exit_code == 0, done.stderr
    assert "in 2 of the 8 images" in done.stderr
    assert [row["expected_dice"] != "" for row in csv.DictReader((folder / "ranking.csv").open())] == [
        True
    ] * 3 + [False] * 2


@pytest.mark.parametrize("masks", [None, "masks"])
def test_without_any_label_a_strategy_that_needs_none_ranks_and_the_others_name_it(
    folder: Path, masks: str | None
) -> None:
    """Whether there is an empty folder of masks or none."""
    shutil.rmtree(folder / "masks")
    (folder / "masks").mkdir()
    given = ["rank", "--images", f"{folder}/images", "--budget", "2", "--out", f"{folder}/r.csv"]
    given += ["--masks", f"{folder}/{masks}"] if masks else []
    done = model(*given, "--strategy", METHOD)
    assert done.exit_code == 2
    assert "label a few" in done.stderr
    assert "--strategy looks" in done.stderr
    done = model(*given, "--strategy", "looks")
    assert done.exit_code == 0, done.stderr
    rows = list(csv.DictReader((folder / "r.csv").open()))
    assert sorted(row["file"] for row in rows) == sorted(p.name for p in (folder / "images").iterdir())
    assert [row["batch"] for row in rows[:3]] == ["1", "1", "0"]
