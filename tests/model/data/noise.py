"""Pictures of noise, and folders of them."""

from pathlib import Path

import numpy as np
from PIL import Image

from model.arrays import Array
from model.data.masks.files import write_mask

SIDE = 40


def noise(*shape: int, top: int = 256, dtype: str = "uint8", seed: int = 0) -> Array:
    return np.random.default_rng(seed).integers(0, top, shape).astype(dtype)


def put_image(folder: Path, name: str, *, shape: tuple[int, ...] = (SIDE, SIDE + 8), seed: int = 0) -> None:
    folder.mkdir(exist_ok=True)
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, shape).astype(np.uint8)).save(folder / name)


def put_mask(
    folder: Path,
    name: str,
    *,
    classes: int = 2,
    white: bool = False,
    shape: tuple[int, int] = (SIDE, SIDE + 8),
) -> None:
    folder.mkdir(exist_ok=True)
    mask = np.random.default_rng(1).integers(0, classes, shape)
    write_mask(folder / name, mask, white=white)
