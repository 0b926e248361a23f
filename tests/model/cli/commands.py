"""The commands as a user types them, in this process, and how they are made fast."""

import json
import shutil
from pathlib import Path

from typer.testing import CliRunner, Result

from model.cli import app
from model.similarity.learner import UNET
from model.strategies import DEFAULT, orders_by_pixels
from model.strategies.looks import Looks
from model.strategies.random import Random

METHOD = "task_dependent"
SIZE = ("--image-size", "64")
FAST = [*SIZE, *["--crop", "32", "--width", "4", "--depth", "3", "--steps", "12", "--row-steps", "4"]]


def model(*arguments: str) -> Result:
    """The command as a user would type it, in this process."""
    return CliRunner().invoke(app.app, list(arguments))


def rank(folder: Path, *options: str, size: tuple[str, ...] = SIZE, by: str = METHOD) -> Result:
    """Rank the images of `folder` for two labels, fast, by the paper's method if nothing else is said;
    `by` empty: by the default."""
    name = options[options.index("--strategy") + 1] if "--strategy" in options else by or DEFAULT
    without_unet = name in (Looks.name, Random.name) or orders_by_pixels(
        name, {"similarity": UNET} if UNET in options else {}
    )
    paths = ["--images", f"{folder}/images", "--masks", f"{folder}/masks", "--out", f"{folder}/ranking.csv"]
    strategy = ["--strategy", by] if by and "--strategy" not in options else []
    return model(
        "rank", *paths, "--budget", "2", *size, *FAST[2 : 2 if without_unet else None], *strategy, *options
    )


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
