"""Images and masks as labs write them, small: what tests of reading are tried on."""

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import tifffile
from PIL import Image

from model.arrays import Array
from model.data.pool import Pool

SIDE = 96
Numbers = npt.NDArray[np.int64]
Content = Array | Image.Image | bytes


def discs(seed: int, count: int = 4, radius: float = 9, side: int = SIDE, *, apart: int = 3) -> Numbers:
    """A mask (side, side) of discs numbered from 1 in any order, at least `apart` pixels from each other;
    negative: they may touch."""
    random = np.random.default_rng(seed)
    rows, columns = np.mgrid[:side, :side]
    mask = np.zeros((side, side), np.int64)
    while mask.max() < count:
        row, column = random.uniform(radius, side - radius, 2)
        size = radius * random.uniform(0.6, 1.0)
        inside = np.hypot(rows - row, columns - column) <= size
        if (
            not mask[np.hypot(rows - row, columns - column) <= size + max(apart, 0)].any()
            if apart >= 0
            else not mask[inside].all()
        ):
            mask[inside & (mask == 0)] = mask.max() + 1
    return mask


VARYING = [discs(seed, count) for seed, count in enumerate([3, 5, 4, 5])]
"""Masks of 3, 5, 4 and 5 numbered objects."""


def renumbered(mask: Numbers, numbers: list[int]) -> Numbers:
    """Object 1 gets the first of `numbers`, and so on."""
    return np.array([0, *numbers], np.int64)[mask]


def touching(seed: int, count: int = 9, side: int = SIDE) -> Numbers:
    """Cells side by side, as in a confluent layer:
    each pixel belongs to the nearest of `count` + 3 centres, of which 3 are empty."""
    random = np.random.default_rng(seed)
    centres = random.uniform(0, side, (count + 3, 2))
    rows, columns = np.mgrid[:side, :side]
    nearest = np.hypot(rows[..., None] - centres[:, 0], columns[..., None] - centres[:, 1]).argmin(axis=2)
    return np.maximum(nearest - 2, 0)


def stripes(seed: int, count: int = 3, side: int = SIDE) -> Numbers:
    """A few large classes, each one region beside the last, of sizes that are alike in all images;
    0 above them."""
    edges = np.cumsum([14, *([10, 20, 34][:count])]) + np.random.default_rng(seed).integers(-3, 4, count + 1)
    return np.repeat(np.searchsorted(edges, np.arange(side), side="right")[:, None], side, axis=1) % (
        count + 1
    )


def scattered(seed: int, classes: int = 3, pieces: int = 5) -> Numbers:
    """Classes of many pieces each."""
    mask = discs(seed, (classes - 1) * pieces, 6)
    return np.where(mask > 0, (mask - 1) % (classes - 1) + 1, 0)


def picture(mask: Array, seed: int = 0) -> npt.NDArray[np.uint8]:
    """An image whose objects are bright."""
    noise = np.random.default_rng(seed + 100).normal(0, 6, mask.shape)
    return np.clip(40 + 140 * (mask > 0) + noise, 0, 255).astype(np.uint8)


def blurred(mask: Array, factor: int = 4) -> npt.NDArray[np.uint8]:
    """0/255 with gray edges, as a drawing program or a resizing makes them."""
    large = Image.fromarray(np.kron(mask > 0, np.ones((factor, factor))).astype(np.uint8) * 255)
    return np.asarray(large.rotate(3).resize(mask.shape[::-1], Image.Resampling.BOX))


def coloured(mask: Numbers, seed: int = 0) -> npt.NDArray[np.uint8]:
    """Each object in a colour of its own, on black."""
    colours = np.random.default_rng(seed).integers(30, 256, (mask.max() + 1, 3)).astype(np.uint8)
    colours[0] = 0
    return colours[mask]


def jpeg(array: Array, quality: int = 75) -> bytes:
    """The bytes of a JPEG of an array."""
    stream = io.BytesIO()
    Image.fromarray(array.astype(np.uint8)).save(stream, "JPEG", quality=quality)
    return stream.getvalue()


def save(path: Path, array: Content) -> None:
    """Write a file as its name says:
    TIFF as it is, PNG with 16 bits where the array has them, bytes as they are."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(array, bytes):
        path.write_bytes(array)
    elif isinstance(array, Image.Image):
        array.save(path)
    elif path.suffix in (".tif", ".tiff"):
        tifffile.imwrite(path, array)
    else:
        Image.fromarray(array).save(path)


def folder(
    root: Path,
    masks: Sequence[Array],
    files: Sequence[tuple[str, Content]],
    more: int = 2,
) -> tuple[Path, Path]:
    """Images of `masks`, with what `files` say (suffix, content) as their masks, and `more` images without
    one; returns both folders."""
    for number, mask in enumerate(masks):
        save(root / "images" / f"c{number}.png", picture(mask, number))
    for number in range(len(masks), len(masks) + more):
        save(root / "images" / f"c{number}.png", picture(discs(number + 50), number))
    for number, (suffix, content) in enumerate(files):
        save(root / "masks" / f"c{number}{suffix}", content)
    return root / "images", root / "masks"


def foreground_agrees(pool: Pool, masks: list[Numbers]) -> bool:
    """Whether the labels mark just what the masks number."""
    return all(
        np.array_equal(pool.labels[f"c{number}.png"] > 0, mask > 0) for number, mask in enumerate(masks)
    )


def palette(mask: Array, colours: list[int]) -> Image.Image:
    image = Image.fromarray(mask.astype(np.uint8))
    image.putpalette(colours)
    return image


def bytes_of(array: Array, **options: object) -> bytes:
    stream = io.BytesIO()
    tifffile.imwrite(stream, array, **options)  # type: ignore[arg-type]
    return stream.getvalue()


def webp(array: Array) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(array.astype(np.uint8)).save(stream, "WEBP", quality=80)
    return stream.getvalue()
