"""Synthetic phase-contrast images of axons, of several appearances, with exact masks:
something to label where no data is at hand.

A sketch of the physics: axons are thin tubes that delay light (a phase map);
the microscope shows the phase map less a blurred copy of itself, which gives a dark (or, in negative
contrast, bright) fibre with a halo of the other sign. Illumination, focus, debris and noise follow.
The mask is where the tubes cover a pixel by half or more;
it knows nothing of contrast, so a hard image has a good mask.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw
from scipy import ndimage

from model.data.masks.files import write_mask

SIZE = 384
"""Pixels, height and width."""
_OVERSAMPLING = 3

Array = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Appearance:
    """How the images of one preparation and microscope setting look;
    lengths in pixels, grey values in shares of the full range."""

    name: str
    axons: tuple[int, int]
    """Fewest and most axons."""
    width: tuple[float, float]
    """Thinnest and thickest."""
    bundled: float = 0.0
    """Share of axons that run along another one."""
    beads: float = 0.3
    """How much the thickness swells and shrinks along an axon."""
    waviness: float = 0.45
    """How far an axon turns from its heading, in radians (standard deviation)."""
    spread: float = 0.3
    """How much the headings of axons differ, in radians (standard deviation)."""
    contrast: float = 0.35
    """Of an axon against the background; negative: brighter than it."""
    background: float = 0.55
    halo: float = 0.7
    halo_width: float = 5.0
    blur: float = 0.7
    gradient: float = 0.05
    """Difference of the illumination across the image."""
    texture: float = 0.015
    noise: float = 0.012
    debris: tuple[int, int] = (3, 10)


APPEARANCES = (
    Appearance("dark", axons=(9, 14), width=(2.2, 4.0)),
    Appearance(
        "bright",
        axons=(8, 13),
        width=(2.4, 4.2),
        contrast=-0.38,
        background=0.3,
        halo=0.5,
        noise=0.02,
        waviness=0.6,
    ),
    Appearance(
        "bundles",
        axons=(16, 24),
        width=(2.6, 4.6),
        bundled=0.7,
        contrast=0.3,
        halo=0.9,
        halo_width=8,
        waviness=0.3,
    ),
    Appearance(
        "faint",
        axons=(16, 24),
        width=(1.8, 2.8),
        contrast=0.2,
        noise=0.022,
        texture=0.02,
        spread=0.7,
        debris=(6, 16),
    ),
    Appearance(
        "defocused",
        axons=(9, 15),
        width=(3.0, 5.0),
        contrast=0.4,
        blur=2.4,
        gradient=0.4,
        halo_width=7,
        noise=0.01,
    ),
    Appearance(
        "debris",
        axons=(6, 10),
        width=(1.8, 3.2),
        beads=1.5,
        debris=(45, 80),
        gradient=0.15,
        waviness=0.6,
        spread=0.6,
    ),
)


@dataclass(frozen=True)
class Sample:
    """An image, uint8 (H, W), and where its axons are, uint8 (H, W) of 0 and 1."""

    name: str
    appearance: str
    image: npt.NDArray[np.uint8]
    mask: npt.NDArray[np.uint8]


def generate(count: int, *, size: int = SIZE, seed: int = 0) -> Iterator[Sample]:
    """Make `count` images, the appearances in turn;
    image i depends on `seed` and i alone, whatever `count` is."""
    for index in range(count):
        appearance = APPEARANCES[index % len(APPEARANCES)]
        random = np.random.default_rng([seed, index])
        image, mask = _render(appearance, size, random)
        yield Sample(f"axons-{index + 1:03d}", appearance.name, image, mask)


def write(images: Path, masks: Path, count: int, *, size: int = SIZE, seed: int = 0) -> list[str]:
    """Write `count` images and their masks as PNG files of the same names;
    returns the names without ending."""
    images.mkdir(parents=True, exist_ok=True)
    masks.mkdir(parents=True, exist_ok=True)
    names = []
    for sample in generate(count, size=size, seed=seed):
        Image.fromarray(sample.image).save(images / f"{sample.name}.png")
        write_mask(masks / f"{sample.name}.png", sample.mask, white=True)
        names.append(sample.name)
    return names


def _render(
    look: Appearance, size: int, random: np.random.Generator
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
    coverage, phase = _axons(look, size, random)
    specks = _debris(look, size, random)
    seen = phase + specks
    fringe = ndimage.gaussian_filter(seen, look.halo_width) * (
        1 + 0.15 * _smooth_noise(size, 30, random)
    )  # a halo is never even
    shown: Any = look.background - look.contrast * (seen - look.halo * fringe)
    shown += look.gradient * _illumination(size, random) + look.texture * _texture(size, random)
    shown = ndimage.gaussian_filter(shown, look.blur)
    grain = random.standard_normal((size, size)).astype(np.float32)
    shown += (
        look.noise
        * (0.75 * grain + 0.6 * ndimage.gaussian_filter(grain, 0.8))
        * np.sqrt(np.clip(shown, 0.05, 1) / 0.5)
    )
    image = (np.clip(shown, 0, 1) * 255).round().astype(np.uint8)
    return image, (coverage >= 0.5).astype(np.uint8)


def _axons(look: Appearance, size: int, random: np.random.Generator) -> tuple[Array, Array]:
    """Coverage (0 to 1) and phase of all axons; where they cross, phases add up."""
    coverage: Array = np.zeros((size, size), np.float32)
    phase: Array = np.zeros((size, size), np.float32)
    heading = random.uniform(0, np.pi)  # axons grow out of one side, more or less together
    paths: list[npt.NDArray[np.float64]] = []
    for _ in range(int(random.integers(*look.axons, endpoint=True))):
        if paths and random.random() < look.bundled:
            path = _alongside(paths[int(random.integers(len(paths)))], random)
        else:
            path = _path(size, heading + random.normal(0, look.spread), look.waviness, random)
        paths.append(path)
        one = _tube(path, random.uniform(*look.width), look.beads, size, random)
        coverage = np.maximum(coverage, one)
        phase += _rounded(one) * np.float32(random.uniform(0.75, 1.15))
    return coverage, 1.6 * np.tanh(phase / 1.6)  # a crossing is darker, a bundle not black


def _path(size: int, heading: float, waviness: float, random: np.random.Generator) -> npt.NDArray[np.float64]:
    """Points (n, 2) as (x, y), two pixels apart:
    a walk that keeps its direction and bends slowly, through the image or ending in it."""
    steps = int(2.4 * size / 2)
    angles = heading + waviness * (_wander(steps, 28, random) + 0.35 * _wander(steps, 7, random))
    moves = 2 * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    points = np.cumsum(moves, axis=0)
    points += random.uniform(0.05, 0.95, 2) * size - points[steps // 2]
    if random.random() < 0.3:  # a growth cone: the axon ends here
        points = points[: int(steps * random.uniform(0.45, 0.65))]
    return points


def _wander(steps: int, scale: float, random: np.random.Generator) -> npt.NDArray[np.float64]:
    """Numbers (steps,) of mean 0 and deviation about 1 that change over `scale` steps."""
    smooth = ndimage.gaussian_filter1d(random.standard_normal(steps), scale, mode="wrap")
    return np.asarray(smooth * np.sqrt(2 * np.sqrt(np.pi) * scale), np.float64)


def _alongside(path: npt.NDArray[np.float64], random: np.random.Generator) -> npt.NDArray[np.float64]:
    """A path beside another one, near it for most of its way."""
    apart = _wander(len(path), 40, random) * random.uniform(2, 6)
    along = np.gradient(path, axis=0)
    across = np.stack([-along[:, 1], along[:, 0]], axis=1) / np.maximum(
        np.linalg.norm(along, axis=1, keepdims=True), 1e-9
    )
    return path + across * apart[:, None]


def _tube(
    path: npt.NDArray[np.float64], width: float, beads: float, size: int, random: np.random.Generator
) -> Array:
    """Coverage of pixels by one axon of a thickness that swells along it."""
    canvas = Image.new("L", (size * _OVERSAMPLING, size * _OVERSAMPLING))
    draw = ImageDraw.Draw(canvas)
    varicosities = (random.random(len(path)) < 0.05) * random.lognormal(0, 0.4, len(path))
    swelling = 0.12 * _wander(len(path), 12, random) + beads * 5 * ndimage.gaussian_filter1d(
        varicosities, 2.2
    )
    thickness = width * np.clip(1 + swelling, 0.6, 2.6) * _OVERSAMPLING
    points = path * _OVERSAMPLING
    for (x, y), (next_x, next_y), across in zip(points[:-1], points[1:], thickness[:-1], strict=True):
        for t in (0.0, 0.5):
            cx, cy = x + t * (next_x - x), y + t * (next_y - y)
            draw.ellipse((cx - across / 2, cy - across / 2, cx + across / 2, cy + across / 2), fill=255)
    return np.asarray(canvas.resize((size, size), Image.Resampling.BOX)).astype(np.float32) / np.float32(255)


def _rounded(coverage: Array) -> Array:
    """Phase of a tube from its coverage: thickest along the middle."""
    return 0.55 * coverage + 0.45 * np.minimum(ndimage.gaussian_filter(coverage, 1.0) * 1.3, 1) * coverage


def _debris(look: Appearance, size: int, random: np.random.Generator) -> Array:
    """Phase of round particles, most of them bright-rimmed vesicles and dead fragments;
    they are no axons and not in the mask."""
    rows, columns = np.mgrid[0:size, 0:size].astype(np.float32)
    field = np.zeros((size, size), np.float32)
    for _ in range(int(random.integers(*look.debris, endpoint=True))):
        y, x = random.uniform(0, size, 2)
        radius = float(np.clip(random.lognormal(0.9, 0.45), 1.2, 8))
        stretch, angle = random.uniform(1, 1.6), random.uniform(0, np.pi)
        top, left, reach = int(y), int(x), int(radius * 5) + 2
        box = np.s_[max(0, top - reach) : top + reach + 1, max(0, left - reach) : left + reach + 1]
        dy, dx = rows[box] - y, columns[box] - x
        u = (np.cos(angle) * dx + np.sin(angle) * dy) / stretch
        v = (-np.sin(angle) * dx + np.cos(angle) * dy) * stretch**0.5
        distance = np.hypot(u, v) / radius
        core = 1 / (1 + np.exp(np.clip((distance - 1) * 6, -30, 30)))
        ring = np.exp(-(((distance - 1.35) / 0.35) ** 2))
        sign = 1 if random.random() < 0.6 else -1  # thick particles turn the phase over and look bright
        field[box] += np.float32(sign * random.uniform(0.5, 1.1)) * (core - 0.6 * ring).astype(np.float32)
    return field


def _smooth_noise(size: int, scale: float, random: np.random.Generator) -> Array:
    """Noise without structure finer than `scale` pixels, deviation 1."""
    coarse = max(4, int(np.ceil(size / scale)) + 3)
    small = random.standard_normal((coarse, coarse))
    large = ndimage.zoom(small, (size + 2 * scale) / coarse, order=3)[:size, :size]
    return np.asarray((large - large.mean()) / (large.std() + 1e-9), np.float32)


def _illumination(size: int, random: np.random.Generator) -> Array:
    """A tilt and a vignette, from about -0.5 to 0.5."""
    y, x = np.mgrid[-0.5 : 0.5 : size * 1j, -0.5 : 0.5 : size * 1j]
    angle = random.uniform(0, 2 * np.pi)
    centre = random.uniform(-0.2, 0.2, 2)
    vignette = 0.35 - ((x - centre[0]) ** 2 + (y - centre[1]) ** 2)
    return np.asarray(0.75 * (np.cos(angle) * x + np.sin(angle) * y) + 0.6 * vignette, np.float32)


def _texture(size: int, random: np.random.Generator) -> Array:
    """The uneven ground: dirt of the coverslip and protein coating, coarse and fine."""
    fine: Any = ndimage.gaussian_filter(random.standard_normal((size, size)), 1.6)
    fine = fine / fine.std()
    return np.asarray(
        _smooth_noise(size, 45, random) + 0.7 * _smooth_noise(size, 12, random) + 0.7 * fine, np.float32
    )
