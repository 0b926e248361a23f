"""The demo's images and the masks that are known: generated, or from a lab's own folders."""

from __future__ import annotations

import hashlib
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from backend.demo import generator
from backend.errors import SettingsError
from model.arrays import Array
from model.data.images.reading import read_raw
from model.data.pool import Pool, scan
from model.errors import ModelError

SHOWN = (".png", ".jpg", ".jpeg")
"""Browsers show these; TIFF is turned into PNG for the page."""


@dataclass(frozen=True)
class Pictures:
    """`files` are the images where Label Studio serves them, by name;
    `pool` holds the masks, by the same names."""

    source: str
    """Where they come from, to find their project again at the next run."""
    files: dict[str, Path]
    pool: Pool
    labels: tuple[str, ...]
    """Names of the classes, without the background."""

    @property
    def problems(self) -> list[str]:
        """What could not be used, and why."""
        return [text for _, text in self.pool.problems]

    @property
    def notes(self) -> list[str]:
        """What was taken for granted in reading them, and what looks odd;
        the options named are those of `python -m model rank`."""
        return [*self.pool.notes, *(f"please look: {text}" for _, text in self.pool.warnings)]

    def first(self, count: int, seed: int) -> list[str]:
        """Names of `count` images with masks, drawn at random, as the paper begins;
        fewer if there are not so many."""
        names = sorted(self.pool.labels)
        return [names[index] for index in np.random.default_rng(seed).permutation(len(names))[:count]]


def generated(folder: Path, served: Path, count: int, size: int, seed: int) -> Pictures:
    """Pictures made by the generator; made once, so that a second run has the same."""
    source = f"generated-{count}-{size}-{seed}"
    own = folder / source
    if not (own / "complete").exists():
        generator.write(own / "images", own / "masks", count, size=size, seed=seed)
        (own / "complete").touch()
    return _pictures(source, own / "images", own / "masks", served / source, ("Axon",))


def from_folders(images: Path, masks: Path | None, served: Path) -> Pictures:
    """Pictures of a lab: a folder of images, and one of masks of the same names (none:
    the demo begins without labels).

    Raises SettingsError for folders that hold nothing usable.
    """
    source = str(images.resolve())
    name = f"{images.resolve().name}-{hashlib.sha256(source.encode()).hexdigest()[:8]}"
    return _pictures(source, images, masks, served / name, None)


def _pictures(
    source: str, images: Path, masks: Path | None, served: Path, labels: tuple[str, ...] | None
) -> Pictures:
    try:
        pool = scan(images, masks)
    except ModelError as error:
        raise SettingsError(f"DEMO_IMAGES, DEMO_MASKS: {error}") from error
    served.mkdir(parents=True, exist_ok=True)
    files = {
        name: _serve(pool.image_paths[name], served, name.replace("/", "__")) for name in pool.images
    }  # one folder for all sub-folders
    if labels is None:
        labels = (
            ("Foreground",)
            if pool.classes == 2
            else tuple(f"Class {number}" for number in range(1, pool.classes))
        )
    return Pictures(source, files, pool, labels)


def _serve(path: Path, folder: Path, name: str) -> Path:
    """Copy an image to where Label Studio reads it, if it is not there yet;
    as PNG where browsers do not show it."""
    shown = path.suffix.lower() in SHOWN
    target = folder / (name if shown else f"{name}.png")
    if not target.exists():
        beside = target.with_name(f".{target.name}")
        if shown:
            shutil.copyfile(path, beside)
        else:
            Image.fromarray(_eight_bit(read_raw(path))).save(beside, format="PNG")
        beside.replace(target)
    return target


def _eight_bit(raw: Array) -> Array:
    """Any real (H, W) or (H, W, 3) as uint8, from its darkest to its brightest but for outliers."""
    if raw.dtype == np.uint8:
        return raw
    low, high = np.quantile(raw, [0.001, 0.999])
    scaled: Array = np.clip((raw.astype(np.float64) - low) / max(float(high - low), 1e-12), 0, 1) * 255
    return scaled.round().astype(np.uint8)
