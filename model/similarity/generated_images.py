"""Small images of discs in several appearances, with exact masks: something to try labelling on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from model.arrays import Image, Mask

SIDE = 64  # pixels, height and width


@dataclass(frozen=True)
class Look:
    """What the images of one kind have in common.

    contrast: of a disc against the ground, negative where it is darker. radius: smallest and largest, pixels.
    rim: whether only its edge shows. noise, blur: deviation of the grey values, and of a Gaussian in pixels.
    texture: deviation of what the ground itself shows, in patches.
    """

    contrast: float
    radius: tuple[float, float]
    rim: bool = False
    noise: float = 0.2
    blur: float = 0.5
    texture: float = 0.0


LOOKS = (
    Look(1.0, (4, 7)),
    Look(-1.0, (4, 7), noise=0.3),
    Look(1.0, (2, 4), texture=0.4),
    Look(0.6, (5, 9), rim=True, blur=1.0),
    Look(-0.7, (3, 6), noise=0.1, blur=1.5, texture=0.3),
)


def generate_image(look: Look, seed: int) -> tuple[Image, Mask]:
    """An image of that look, float32 (SIDE, SIDE, 3) of mean 0 and deviation 1, and its mask, uint8
    (SIDE, SIDE); the same for the same seed."""
    random = np.random.default_rng(seed)
    rows, columns = np.mgrid[:SIDE, :SIDE]
    mask = np.zeros((SIDE, SIDE), dtype=np.uint8)
    drawn = np.zeros((SIDE, SIDE))
    for _ in range(random.integers(3, 9)):
        row, column = random.uniform(0, SIDE, 2)
        distance, radius = np.hypot(rows - row, columns - column), random.uniform(*look.radius)
        inside = distance < radius
        mask[inside] = 1
        drawn[inside & ((distance > radius - 2) if look.rim else inside)] = 1
    ground = ndimage.gaussian_filter(random.normal(size=(SIDE, SIDE)), 4)
    grey = look.contrast * drawn + look.texture * ground / ground.std()
    grey = ndimage.gaussian_filter(grey, look.blur) + random.normal(0, look.noise, (SIDE, SIDE))
    image = ((grey - grey.mean()) / grey.std()).astype(np.float32)
    return np.repeat(image[:, :, None], 3, axis=2), mask
