"""Small images with known masks, and a recipe that trains on them in a second."""

import dataclasses
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from model.network.recipe import Recipe
from model.pixels.stacked import train_networks
from model.similarity.round import Round

Images = dict[str, npt.NDArray[np.float32]]
Masks = dict[str, npt.NDArray[np.uint8]]


def blobs(
    seed: int, side: int = 48, bright: bool = True
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.uint8]]:
    """A noisy float32 (side, side, 3) image of discs, brighter or darker than the ground, and its mask."""
    random = np.random.default_rng(seed)
    rows, columns = np.mgrid[:side, :side]
    mask = np.zeros((side, side), np.uint8)
    for _ in range(4):
        row, column = random.uniform(6, side - 6, 2)
        mask[(rows - row) ** 2 + (columns - column) ** 2 < random.uniform(4, 7) ** 2] = 1
    image = (mask if bright else -mask.astype(np.float32)) * 2.0 + random.normal(0, 0.3, mask.shape)
    image = (image - image.mean()) / image.std()
    return np.repeat(image[:, :, None], 3, axis=2).astype(np.float32), mask


def again(round_: Round, **changes: object) -> Round:
    """The same round from the beginning, with the features that are there."""
    return dataclasses.replace(round_, **{"failed": {}, **changes})  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def brief_training() -> Iterator[None]:
    """Pixel classifiers learn for a fifth of their time, for tests of what is made of them, however good."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(train_networks.__kwdefaults__, "steps", 40)  # type: ignore[arg-type]
        yield


@pytest.fixture(scope="session")
def discs() -> tuple[Images, Masks]:
    """Twelve images, every third with dark discs, by id, and all their masks."""
    pairs = {f"{seed:02d}.png": blobs(seed, bright=seed % 3 != 2) for seed in range(12)}
    return {i: image for i, (image, _) in pairs.items()}, {i: mask for i, (_, mask) in pairs.items()}


@pytest.fixture(scope="session")
def tiny_recipe() -> Recipe:
    """A recipe that learns discs in about a second."""
    return Recipe(width=4, depth=2, max_side=48, crop=32, batch=4, steps=40, row_steps=15)


@pytest.fixture(scope="session")
def trained_round(
    discs: tuple[Images, Masks], tiny_recipe: Recipe, tmp_path_factory: pytest.TempPathFactory
) -> Round:
    """Twelve images of which two are labelled, with f_L and its pseudo-labels; not to be changed."""
    images, masks = discs
    labels = {i: masks[i] for i in ("00.png", "01.png")}
    made = Round(images, labels, 2, tiny_recipe, seed=1, folder=tmp_path_factory.mktemp("round"))
    _ = made.pseudo_labels
    return made


@pytest.fixture
def small_round(trained_round: Round, tmp_path: Path) -> Round:
    """The same in a folder of the test's own, which it may change."""
    folder = shutil.copytree(trained_round.folder, tmp_path / "round")
    return dataclasses.replace(trained_round, folder=folder)


@pytest.fixture(scope="session")
def pixel_features(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where what the pixels of the discs look like is kept."""
    return tmp_path_factory.mktemp("features")


@pytest.fixture(scope="module")
def pixel_round(
    trained_round: Round, pixel_features: Path, tmp_path_factory: pytest.TempPathFactory
) -> Round:
    """The discs, whose labelled images are bright, in a folder of their own; not to be changed."""
    return dataclasses.replace(
        trained_round, folder=tmp_path_factory.mktemp("pixels"), feature_folder=pixel_features
    )
