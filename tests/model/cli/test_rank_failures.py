"""What stops a ranking is said in a line, before any work where it can be."""

import errno
import shutil
from pathlib import Path

import pytest

from model.cli import rank as rank_command
from model.network import folder as network_folder
from model.network import training
from tests.model.cli.commands import FAST, METHOD, model, rank


def test_one_bad_image_is_named_and_does_not_stop_the_others(folder: Path) -> None:
    bad = sorted((folder / "images").iterdir())[-1]
    bad.write_bytes(bad.read_bytes()[:1000])
    done = rank(folder, "--strategy", "random")
    assert done.exit_code == 0, done.stderr
    assert bad.name in done.stderr
    assert "Left out" in done.stderr
    assert len((folder / "ranking.csv").read_text().splitlines()) == 5


def test_an_image_is_not_replaced_by_the_table(folder: Path) -> None:
    image = sorted((folder / "images").iterdir())[-1]
    content = image.read_bytes()
    done = rank(folder, "--strategy", "random", "--out", str(image))
    assert done.exit_code == 2
    assert "name of an image" in done.stderr
    assert image.read_bytes() == content


def test_a_link_beside_an_image_that_leads_nowhere_stops_nothing(folder: Path) -> None:
    image = sorted((folder / "images").iterdir())[-1]
    image.with_suffix(".txt").symlink_to(folder / "nowhere")
    assert rank(folder, "--strategy", "random").exit_code == 0


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"--budget": "6"}, "expected 1 to 5"),
        ({"--strategy": "psychic"}, "task_dependent"),
        (
            {"--strategy": "herding"},
            "'--similarity': means nothing with --strategy herding; it is for alike, ",
        ),
        (
            {"--similarity": "pixel"},
            "'--candidates': means nothing with --similarity pixel; add --similarity unet",
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


@pytest.mark.parametrize("work", ["some-file", "/proc/foo", None])
def test_a_work_folder_that_cannot_be_written_is_said_before_any_work(
    folder: Path, monkeypatch: pytest.MonkeyPatch, work: str | None
) -> None:
    (folder / "some-file").write_text("")
    monkeypatch.setattr(rank_command, "CACHE", folder / "some-file" / "cache")
    shutil.rmtree(folder / "images")  # which nobody has looked for yet
    done = rank(folder, *([] if work is None else ["--work", str(folder / work)]))
    assert done.exit_code == 2, done.output
    assert "cannot be written" in done.stderr
    assert "--work" in done.stderr


def test_an_out_that_is_a_folder_is_said_before_any_work(folder: Path) -> None:
    done = rank(folder, "--out", str(folder))
    assert done.exit_code == 2
    assert "cannot be written" in done.stderr


@pytest.mark.parametrize(
    "error", [MemoryError(), RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to ...")]
)
def test_too_little_memory_is_told_in_a_line(
    folder: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    """As numpy and torch raise it."""

    def full(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(training, "build_network", full)
    done = rank(folder, "--similarity", "unet")
    assert done.exit_code == 1
    assert "smaller --image-size" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_full_disk_is_told_in_a_line(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "disk full")

    monkeypatch.setattr(network_folder, "save_file", full)
    done = rank(folder, "--similarity", "unet")
    assert done.exit_code == 1
    assert "disk full" in done.stderr
    assert "same command goes on" in done.stderr
    assert "Traceback" not in done.stderr
