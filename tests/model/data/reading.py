"""Files read as one test wants them: images as a network takes them, masks as class ids or as stored."""

from pathlib import Path

from model.arrays import Array
from model.data.images.header import displayed_size
from model.data.images.pixels import normalise, shrink
from model.data.images.reading import read_bytes, read_raw
from model.data.masks.class_ids import class_ids
from model.data.masks.files import read_stored


def read_image(path: str | Path, *, max_side: int | None = None) -> Array:
    return normalise(shrink(read_raw(path), max_side), name=str(path))


def image_size(path: str | Path) -> tuple[int, int]:
    return displayed_size(read_bytes(Path(path)), str(path))


def read_values(path: str | Path) -> Array:
    return read_stored(path).values


def read_mask(path: str | Path, *, shape: tuple[int, int], classes: int | None = None) -> Array:
    return class_ids(read_stored(path, shape=shape).values, classes, name=str(path))
