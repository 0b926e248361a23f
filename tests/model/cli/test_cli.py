"""The command line on real images."""

import csv
import errno
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from model.cli import app
from model.cli.progress_bar import ProgressBar
from model.data.pool import scan
from model.errors import StrategyError
from model.export.folder import ExportFolder
from model.export.formats import encode_image
from model.network.checkpoint import TrainedModel
from model.strategies import DEFAULT, default_options
from model.strategies.task_dependent import TaskDependent

ROOT = Path(__file__).resolve().parents[3]
METHOD = "task_dependent"
SIZE = ("--image-size", "64")
FAST = [*SIZE, *["--crop", "32", "--width", "4", "--depth", "3", "--steps", "12", "--row-steps", "4"]]


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a command keeps goes into a folder of the test's own."""
    monkeypatch.setattr("model.cli.rank.CACHE", tmp_path / "cache")
    monkeypatch.setenv("COLUMNS", "300")


def model(*arguments: str) -> Result:
    """The command as a user would type it, in this process."""
    return CliRunner().invoke(app.app, list(arguments))


@pytest.fixture
def folder(shared_data: Path, tmp_path: Path) -> Path:
    """Eight real images, three of them with a mask."""
    source = shared_data / "usiigaci_t98g"
    names = sorted(path.name for path in (source / "images").iterdir())[:8]
    for kind, some in (("images", names), ("masks", names[:3])):
        (tmp_path / kind).mkdir()
        for name in some:
            shutil.copy(source / kind / name, tmp_path / kind / name)
    return tmp_path


def rank(folder: Path, *options: str, size: tuple[str, ...] = SIZE, by: str = METHOD) -> Result:
    """Rank the images of `folder` for two labels, fast, by the paper's method if nothing else is said;
    `by` empty: by the default."""
    paths = ["--images", f"{folder}/images", "--masks", f"{folder}/masks", "--out", f"{folder}/ranking.csv"]
    strategy = ["--strategy", by] if by and "--strategy" not in options else []
    return model("rank", *paths, "--budget", "2", *size, *FAST[2:], *strategy, *options)


@pytest.fixture
def experiment_data(shared_data: Path, tmp_path: Path) -> Path:
    """Seven real images with masks, five of them in the pool of split.json."""
    return labelled_set(shared_data / "dsb2018", tmp_path / "data")


@pytest.fixture
def exported_data(experiment_data: Path, shared_data: Path, tmp_path: Path) -> Path:
    """The same as an export writes it, with an eighth image that is not labelled."""
    pool = scan(experiment_data / "images", experiment_data / "masks")
    images = shared_data / "dsb2018" / "images"
    with ExportFolder(tmp_path / "exported", {"what": "a test"}, ["nucleus"]) as folder:
        for path in sorted(images.iterdir())[:8]:
            image = encode_image(path.read_bytes(), path.name)
            mask = pool.labels.get(path.name)
            folder.add(path.name, path.stem, mask, fingerprint="", folder="masks", row={}, image=image)
        folder.finish()
    shutil.copy(experiment_data / "split.json", folder.path)
    return folder.path


def labelled_set(source: Path, folder: Path) -> Path:
    """The first seven images of a data set with their masks, and a split of them."""
    names = sorted(path.name for path in (source / "masks").iterdir())[:7]
    for kind in ("images", "masks"):
        (folder / kind).mkdir(parents=True)
        for name in names:
            shutil.copy(source / kind / name, folder / kind / name)
    (folder / "split.json").write_text(json.dumps({"pool": names[:5], "test": names[5:]}))
    return folder


def on(data: Path) -> list[str]:
    """The options of a study of `data`."""
    return ["--data", str(data), "--split", f"{data}/split.json"]


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

    monkeypatch.setattr("model.cli.rank.get_strategy", get_strategy)
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
        *FAST,
    )
    assert done.exit_code == 0, done.stderr
    assert len((tmp_path / "ranking.csv").read_text().splitlines()) == 11


def test_an_experiment_keeps_to_the_number_of_classes_that_is_stated(
    shared_data: Path, tmp_path: Path
) -> None:
    """Three classes in the data, four stated:
    networks have four, results.json says so, and another number does not go on with it."""
    data = tmp_path / "data"
    for kind in ("images", "masks"):
        (data / kind).mkdir(parents=True)
        for name in sorted(path.name for path in (shared_data / "axondeepseg_3class" / kind).iterdir())[:5]:
            shutil.copy(shared_data / "axondeepseg_3class" / kind / name, data / kind)
    names = sorted(path.name for path in (data / "images").iterdir())
    (data / "split.json").write_text(json.dumps({"pool": names[:4], "test": names[4:]}))
    given = ["--data", str(data), "--split", f"{data}/split.json", "--out", f"{tmp_path}/out"]
    arms = [
        *given,
        "--strategies",
        "random",
        "--experiments",
        "1",
        "--draws",
        "1",
        "--initial",
        "2",
        "--sizes",
        "3",
        *FAST,
    ]
    done = model("experiment", *arms, "--classes", "4")
    assert done.exit_code == 0, done.stderr
    assert "4 classes with the background." in done.stderr
    assert "of 3: experiment 1, random, draw 1, 3 images: dice " in done.stderr
    assert json.loads((tmp_path / "out" / "results.json").read_text())["protocol"]["classes"] == 4
    again = model("experiment", *arms)
    assert again.exit_code == 2
    assert "classes" in again.stderr
    assert "--classes" in model("converge", "--help").output
    few = model(
        "converge", *given, "--sizes", "2", "--steps", "1", "--draws", "1", "--seeds", "1", "--classes", "2"
    )
    assert few.exit_code == 2
    assert "expected 0/255, or class ids 0 to 1" in few.stderr


def test_what_was_made_of_the_masks_is_said_once_beside_the_results(
    shared_cases: Path, tmp_path: Path
) -> None:
    """In ranking, experiment, convergence and transfer; each has the options of the other reading."""
    source = shared_cases / "08-object-numbers"
    done = rank(source, "--out", f"{tmp_path}/ranking.csv", "--strategy", "random")
    assert done.exit_code == 0, done.stderr
    assert done.stdout == ""
    assert done.stderr.count("The masks number their objects (up to 5 in one) and are read as one class") == 1
    assert "8 images, 4 of them labelled, 2 classes with the background." in done.stderr
    other = rank(
        source, "--out", f"{tmp_path}/ranking.csv", "--strategy", "random", "--mask-numbers", "classes"
    )
    assert "6 classes with the background." in other.stderr
    (tmp_path / "split.json").write_text(
        json.dumps({"pool": ["c0.png", "c1.png", "c2.png"], "test": ["c3.png"]})
    )
    given = ["--data", str(source), "--split", f"{tmp_path}/split.json", *FAST[:-4]]
    small = {
        "transfer": ["--experiments", "1", "--initial", "1", "--budget", "1", *FAST[-4:]],
        "converge": ["--sizes", "1", "--steps", "2", "--draws", "1", "--seeds", "1"],
        "experiment": [
            "--experiments",
            "1",
            "--draws",
            "1",
            "--initial",
            "1",
            "--sizes",
            "2",
            "--strategies",
            "random",
            *FAST[-4:],
        ],
    }
    for command, options in small.items():
        done = model(command, *given, *options, "--out", f"{tmp_path}/{command}")
        assert done.exit_code == 0, done.stderr
        assert done.stderr.count("are read as one class") == 1
    again = model(command, *given, *options, "--out", f"{tmp_path}/{command}", "--invert-masks", "all")
    assert again.exit_code == 2
    assert "masks.inverted: found nothing" in again.stderr, "results of another reading do not go on"


def test_the_table_names_images_in_sub_folders_by_their_path(shared_cases: Path, tmp_path: Path) -> None:
    done = rank(shared_cases / "24-subfolders", "--out", f"{tmp_path}/ranking.csv", "--candidates", "2")
    assert done.exit_code == 0, done.stderr
    files = [row["file"] for row in csv.DictReader((tmp_path / "ranking.csv").open())]
    assert sorted(files) == sorted(f"plate1/c{number}.png" for number in range(3, 12))
    flat = rank(shared_cases / "24-subfolders", "--no-subfolders")
    assert flat.exit_code == 2
    assert "Passed over 9 images in sub-folders" in flat.stderr


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
    lost = "588 of 784 objects in the masks"
    assert f"Works at --image-size 1024, as {lost} would lose most of their pixels at 512." in done.stderr
    assert "Please look" not in done.stderr
    told = rank(tmp_path, "--budget", "1", "--strategy", "random", size=("--image-size", "512"))
    assert told.exit_code == 0, told.stderr
    assert (
        f"At --image-size 512, {lost} lose most of their pixels; --image-size 1024 keeps them" in told.stderr
    )
    assert "Works at" not in told.stderr


def test_one_bad_image_is_named_and_does_not_stop_the_others(folder: Path) -> None:
    bad = sorted((folder / "images").iterdir())[-1]
    bad.write_bytes(bad.read_bytes()[:1000])
    done = rank(folder, "--strategy", "random")
    assert done.exit_code == 0, done.stderr
    assert bad.name in done.stderr
    assert "Left out" in done.stderr
    assert len((folder / "ranking.csv").read_text().splitlines()) == 5


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"--budget": "6"}, "expected 1 to 5"),
        ({"--strategy": "psychic"}, "task_dependent"),
        (
            {"--strategy": "herding"},
            "'--similarity': means nothing with --strategy herding; it is for alike, ",
        ),
        ({"--images": "nowhere"}, "nowhere"),
        ({"--steps": "0"}, "steps"),
        ({"--encoder": "resnet_of_dreams"}, "resnet_of_dreams"),
    ],
)
def test_what_is_wrong_is_said_without_a_traceback(folder: Path, change: dict[str, str], text: str) -> None:
    options = {
        "--images": f"{folder}/images",
        "--masks": f"{folder}/masks",
        "--budget": "2",
        "--out": f"{folder}/r.csv",
        "--strategy": METHOD,
        "--similarity": "unet",
        "--candidates": "2",
    }
    arguments = [
        part
        for pair in (options | dict(zip(FAST[::2], FAST[1::2], strict=True)) | change).items()
        for part in pair
    ]
    done = model("rank", *arguments)
    assert done.exit_code == 2
    assert text in done.stderr
    assert "Traceback" not in done.stderr
    assert not (folder / "r.csv").exists()


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
    assert "The weights 'imagenet' of encoder 'resnet18' could not be fetched" in done.stderr
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
    done = model("rank", *options, "--budget", "5", *FAST)
    assert done.exit_code == 0, done.output
    assert "a [red] [i].png" in done.stderr
    done = model("rank", *options[:2], "--masks", f"{folder}/[/i]", "--budget", "5")
    assert done.exit_code == 2
    assert "[/i]" in done.stderr


@pytest.mark.parametrize("work", ["some-file", "/proc/foo", None])
def test_a_work_folder_that_cannot_be_written_is_said_before_any_work(
    folder: Path, monkeypatch: pytest.MonkeyPatch, work: str | None
) -> None:
    (folder / "some-file").write_text("")
    monkeypatch.setattr("model.cli.rank.CACHE", folder / "some-file" / "cache")
    monkeypatch.setattr("model.cli.rank.scan", None)
    done = rank(folder, *([] if work is None else ["--work", str(folder / work)]))
    assert done.exit_code == 2, done.output
    assert "cannot be written" in done.stderr
    assert "--work" in done.stderr


def test_messages_are_not_wrapped_in_a_log(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "30")
    done = rank(folder, "--strategy", "random")
    assert "8 images, 3 of them labelled, 2 classes with the background." in done.stderr.splitlines()


def test_a_name_that_is_no_text_keeps_its_bytes(folder: Path) -> None:
    image = sorted((folder / "images").iterdir())[-1]
    image.rename(folder / "images" / os.fsdecode(b"\xff.png"))
    done = rank(folder, "--candidates", "1")
    assert done.exit_code == 0, done.output
    assert (
        b",\xff.png,0," in (folder / "ranking.csv").read_bytes()
        or b",\xff.png,1," in (folder / "ranking.csv").read_bytes()
    )


def test_an_out_that_is_a_folder_is_said_before_any_work(folder: Path) -> None:
    done = rank(folder, "--out", str(folder))
    assert done.exit_code == 2
    assert "cannot be written" in done.stderr


def test_an_experiment_is_the_papers_unless_told_otherwise() -> None:
    """5 experiments of 3 initial images, training sets of 5, 7, 12, 15, 16, random averaged over 8 draws."""
    shown = " ".join(model("experiment", "--help").output.split())
    for option, default in {
        "experiments": "5",
        "initial": "3",
        "sizes": "5,7,12,15,16",
        "draws": "8",
    }.items():
        assert re.search(rf"--{option} ((?!--).)*\[default: {re.escape(default)}[;\]]", shown), option


def test_images_in_which_nothing_is_found_are_counted(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They come last without an expected dice, and the user hears so."""
    monkeypatch.setattr(TaskDependent, "blank", lambda _, round_: frozenset(round_.unlabelled[:2]))
    done = rank(folder, "--similarity", "unet", "--candidates", "2")
    assert done.exit_code == 0, done.stderr
    assert "in 2 of the 8 images a first model finds nothing" in done.stderr
    assert [row["expected_dice"] != "" for row in csv.DictReader((folder / "ranking.csv").open())] == [
        True
    ] * 3 + [False] * 2


@pytest.mark.parametrize(
    "error", [MemoryError(), RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to ...")]
)
def test_too_little_memory_is_told_in_a_line(
    folder: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    """As numpy and torch raise it."""

    def full(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr("model.network.training.build_network", full)
    done = rank(folder, "--similarity", "unet")
    assert done.exit_code == 1
    assert "Not enough memory: a smaller --image-size" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_full_disk_is_told_in_a_line(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("model.network.folder.save_file", full)
    done = rank(folder, "--similarity", "unet")
    assert done.exit_code == 1
    assert "No space left on device" in done.stderr
    assert "the same command goes on from there" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("option", "value"),
    [
        (option, "0")
        for option in (
            "--jobs",
            "--draws",
            "--repeats",
            "--experiments",
            "--candidates",
            "--width",
            "--steps",
            "--row-steps",
        )
    ]
    + [("--learning-rate", "0"), ("--learning-rate", "nan"), ("--weight-decay", "-1")]
    + [("--image-size", "31"), ("--crop", "31"), ("--batch", "1"), ("--depth", "6"), ("--classes", "1")],
)
def test_numbers_out_of_range_are_said(option: str, value: str) -> None:
    """By the option's name, before anything is read."""
    done = model("experiment", "--data", "d", "--split", "s", "--out", "o", option, value)
    assert done.exit_code == 2
    assert f"'{option}'" in done.output


def test_options_of_unets_are_refused_where_none_is_trained() -> None:
    """All at once, by their names; those that both learners have are taken."""
    paths = ["--data", "d", "--split", "s", "--out", "o", "--learner", "pixel", "--image-size", "96"]
    done = model("experiment", *paths, "--steps", "9", "--recipe", "paper", "--precision", "float32")
    said = " ".join(done.output.replace("│", " ").split())
    assert done.exit_code == 2
    assert "'--steps', '--recipe': means nothing with --learner pixel" in said
    done = model("experiment", *paths, "--similarity", "unet")
    assert (done.exit_code, "trains no U-Nets" in done.stderr) == (2, True)


def test_transfer_resumes_and_refuses_other_data(
    experiment_data: Path, shared_data: Path, tmp_path: Path
) -> None:
    def transfer(data: Path) -> Result:
        options = ["--experiments", "1", "--initial", "2", "--budget", "1", *FAST]
        return model("transfer", *on(data), "--out", f"{tmp_path}/out", *options)

    done = transfer(experiment_data)
    assert done.exit_code == 0, done.output
    table = (tmp_path / "out" / "transfer.md").read_text()
    assert "25% of U" in table
    assert len(json.loads((tmp_path / "out" / "transfer.json").read_text())["rows"]) == 3
    assert transfer(experiment_data).exit_code == 0
    assert (tmp_path / "out" / "transfer.md").read_text() == table
    other = transfer(labelled_set(shared_data / "bbbc010", tmp_path / "other"))
    assert other.exit_code == 2
    assert "data" in other.stderr
    (tmp_path / "out" / "transfer.json").write_text("{")
    broken = transfer(experiment_data)
    assert broken.exit_code == 2
    assert "another folder as --out" in broken.stderr


def test_a_command_that_is_stopped_says_how_it_goes_on(
    experiment_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the signal; that all processes of an experiment end with it is tested with these."""

    def stop(*_: object, **__: object) -> None:
        signal.raise_signal(signal.SIGTERM)

    monkeypatch.setattr("model.cli.studies.run_experiment", stop)
    done = model("experiment", *on(experiment_data), "--out", f"{tmp_path}/out", *FAST)
    assert done.exit_code == 128 + signal.SIGTERM
    assert done.stderr.splitlines()[-1] == "Stopped. The same command goes on from here."


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


def test_a_killed_experiment_goes_on_and_leaves_no_process(exported_data: Path, tmp_path: Path) -> None:
    """On a folder of exported masks, as it is."""
    given = [*on(exported_data), "--out", f"{tmp_path}/out", "--strategies", "random,task_dependent"]
    arms = ["--experiments", "1", "--initial", "2", "--sizes", "3,4", "--draws", "2", "--candidates", "1"]
    arguments = ["experiment", *given, *arms, *FAST]
    process = subprocess.Popen(
        [sys.executable, "-m", "model", *arguments, "--jobs", "2"],
        cwd=ROOT,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    results = tmp_path / "out" / "results.json"
    wait_until(lambda: results.exists() and len(json.loads(results.read_text())["runs"]) >= 1)
    process.send_signal(signal.SIGKILL)
    process.wait()
    before = json.loads(results.read_text())["runs"]
    wait_until(lambda: not processes_of(process.pid))
    done = model(*arguments)
    assert done.exit_code == 0, done.stderr
    after = {(r["strategy"], r["draw"], r["size"]): r for r in json.loads(results.read_text())["runs"]}
    assert len(after) == 2 + 2 * 2 + 2
    for run in before:
        assert after[run["strategy"], run["draw"], run["size"]] == run
    assert (tmp_path / "out" / "report.md").exists()


def processes_of(session: int) -> list[str]:
    """The numbers of the processes of a session."""
    found = subprocess.run(["pgrep", "-s", str(session)], capture_output=True, text=True, check=False)
    return found.stdout.split()


def wait_until(ready: Callable[[], bool]) -> None:
    """Wait until `ready()` holds; fail after two minutes."""
    deadline = time.monotonic() + 120
    while not ready():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_converge_prints_a_table(experiment_data: Path, tmp_path: Path) -> None:
    options = ["--sizes", "2", "--steps", "2,4", "--draws", "1", "--seeds", "2", *FAST[:8]]
    done = model("converge", *on(experiment_data), *options, "--out", str(tmp_path))
    assert done.exit_code == 0, done.stderr
    assert [line[:8] for line in done.stdout.splitlines()[2:4]] == ["| 2 | 2 ", "| 2 | 4 "]
