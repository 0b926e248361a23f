"""Masks that mark the background are asked about, and inverted when told to."""

import shlex
import unicodedata
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage

from model.arrays import Array
from model.data.masks.coding import MaskOptions, Meaning
from model.data.pool import scan
from model.errors import PoolError
from tests.model.data.lab_files import (
    VARYING,
    Content,
    Numbers,
    bytes_of,
    discs,
    folder,
    foreground_agrees,
    palette,
    picture,
    save,
    scattered,
    touching,
)

INVERTED: dict[str, Callable[[Numbers], Content]] = {
    "white": lambda mask: ((mask == 0) * 255).astype(np.uint8),
    "ids": lambda mask: (mask == 0).astype(np.uint8),
    "Boolean TIFF": lambda mask: bytes_of(mask == 0),
    "palette": lambda mask: palette(mask == 0, [0, 0, 0, 255, 0, 0]),
    "black and white palette": lambda mask: palette(mask == 0, [0, 0, 0, 255, 255, 255]),
    "1 and 2": lambda mask: np.where(mask > 0, 1, 2).astype(np.uint8),
    "object numbers, background 1": lambda mask: np.where(mask > 0, mask + 1, 1).astype(np.uint8),
    "object numbers, background 255": lambda mask: np.where(mask > 0, mask, 255).astype(np.uint8),
    "object numbers from 0, background 255": lambda mask: np.where(mask > 0, mask - 1, 255).astype(np.uint8),
    "object numbers from 0, background 9": lambda mask: np.where(mask > 0, mask - 1, 9).astype(np.uint8),
    "pieces of the background numbered": lambda mask: ndimage.label(mask == 0)[0].astype(np.uint8),
}


@pytest.mark.parametrize("kind", INVERTED)
def test_inverted_masks_are_asked_about_and_can_be_inverted(tmp_path: Path, kind: str) -> None:
    """Once, with the share that they mark; nothing is changed unasked."""
    files = [(".tif" if "TIFF" in kind else ".png", INVERTED[kind](mask)) for mask in VARYING]
    folders = folder(tmp_path, VARYING, files)
    pool = scan(*folders)
    (asked,) = [text for _, text in pool.warnings]
    assert "93%" in asked
    assert "inverted" in asked
    assert "--invert-masks all" in asked
    assert np.mean([pool.labels[name].astype(bool).mean() for name in pool.labelled]) > 0.9
    pool = scan(*folders, mask_options=MaskOptions(inverted=("all",)))
    assert (pool.classes, len(pool.labelled), pool.warnings) == (2, 4, ())
    assert foreground_agrees(pool, VARYING)
    assert any("4 of 4 masks" in note for note in pool.notes)


def test_one_inverted_mask_among_others_is_named(tmp_path: Path) -> None:
    files = [
        (".png", (((mask > 0) != (number == 2)) * 255).astype(np.uint8))
        for number, mask in enumerate(VARYING)
    ]
    folders = folder(tmp_path, VARYING, files)
    (asked,) = [text for _, text in scan(*folders).warnings]
    assert asked.startswith("c2.png: 93% ")
    assert "--invert-masks c2.png" in asked
    pool = scan(*folders, mask_options=MaskOptions(inverted=("c2.png",)))
    assert not pool.warnings
    assert foreground_agrees(pool, VARYING)
    with pytest.raises(PoolError, match=r"--invert-masks c9\.png: .*\bc0\.png, c1\.png"):
        scan(*folders, mask_options=MaskOptions(inverted=("c9.png",)))


def test_some_inverted_masks_are_named_alone(tmp_path: Path) -> None:
    """Though they are the most: the others are right as they are."""
    files = [
        (".png", (((mask > 0) != (number > 0)) * 255).astype(np.uint8)) for number, mask in enumerate(VARYING)
    ]
    folders = folder(tmp_path, VARYING, files)
    (asked,) = [text for _, text in scan(*folders).warnings]
    assert asked.startswith("3 of 4 masks (c1.png, c2.png, c3.png)")
    assert "--invert-masks all" not in asked
    pool = scan(*folders, mask_options=MaskOptions(inverted=("c1.png", "c2.png", "c3.png")))
    assert foreground_agrees(pool, VARYING)


def test_the_options_that_are_proposed_can_be_copied_into_a_command(tmp_path: Path) -> None:
    """All masks that are to be named, quoted as a shell wants it; an accent may be written by other signs."""
    masks = [discs(seed, 5) > 0 for seed in range(10)]
    for number, mask in enumerate(masks):
        name = unicodedata.normalize("NFD", f"zellé({number}) $x.png")
        save(tmp_path / "images" / name, picture(mask, number))
        save(tmp_path / "masks" / name, ((mask != (number % 2 > 0)) * 255).astype(np.uint8))
    (asked,) = [text for _, text in scan(tmp_path / "images", tmp_path / "masks").warnings]
    said = shlex.split(asked[asked.index("--invert-masks") :].removesuffix("."))
    named = [unicodedata.normalize("NFC", name) for name in said if name != "--invert-masks"]
    assert named == [f"zellé({number}) $x.png" for number in (1, 3, 5, 7, 9)]
    pool = scan(tmp_path / "images", tmp_path / "masks", mask_options=MaskOptions(inverted=tuple(named)))
    assert not pool.warnings
    assert all(np.array_equal(pool.labels[name] > 0, masks[int(name[-9])]) for name in pool.labelled)


def test_three_classes_are_inverted_by_their_commonest_number(tmp_path: Path) -> None:
    masks = [scattered(seed, 3) for seed in range(3)]
    files: list[tuple[str, Content]] = [
        (".png", np.array([2, 0, 1])[mask].astype(np.uint8)) for mask in masks
    ]
    pool = scan(*folder(tmp_path, masks, files), mask_options=MaskOptions(inverted=("all",)))
    assert pool.classes == 3
    assert all(np.array_equal(pool.labels[f"c{number}.png"], mask) for number, mask in enumerate(masks))


def test_dense_objects_are_asked_about_and_left_as_they_are(tmp_path: Path) -> None:
    """Confluent cells cover 60 to 80 %; numbered ones, of which none is large, are not even asked about."""
    masks = [touching(seed, 12) for seed in range(4)]
    pool = scan(*folder(tmp_path, masks, [(".png", ((mask > 0) * 255).astype(np.uint8)) for mask in masks]))
    assert foreground_agrees(pool, masks)
    (asked,) = [text for _, text in pool.warnings]
    assert "--invert-masks all" in asked
    pool = scan(*folder(tmp_path, masks, [(".png", mask.astype(np.uint8)) for mask in masks]))
    assert not pool.warnings


def test_pieces_of_a_background_that_objects_part_are_told_from_objects(tmp_path: Path) -> None:
    """Strands through the whole image, the pieces between them numbered: 0 is what is left, the objects."""
    masks = [np.where(np.arange(96) % (30 + seed) < 4, 1, 0) * np.ones((96, 1), int) for seed in range(4)]
    pieces: list[tuple[str, Content]] = [
        (".png", ndimage.label(mask == 0)[0].astype(np.uint8)) for mask in masks
    ]
    pool = scan(*folder(tmp_path, masks, pieces), mask_options=MaskOptions(Meaning.OBJECTS, ("all",)))
    assert foreground_agrees(pool, masks)
    assert any("0 stands for the objects" in note for note in pool.notes)


def lines_around(mask: Numbers) -> Array:
    """Where an object begins or ends, one pixel wide."""
    return (mask != np.roll(mask, 1, 0)) | (mask != np.roll(mask, 1, 1))


@pytest.mark.parametrize("line", [0, -1], ids=["MATLAB and scikit-image", "OpenCV"])
@pytest.mark.parametrize("meaning", [Meaning.AUTO, Meaning.OBJECTS])
def test_lines_that_a_watershed_leaves_around_objects_are_background(
    tmp_path: Path, line: int, meaning: Meaning
) -> None:
    """The background is 1 and the cells are 2, 3, ..."""
    files = [(".tif", np.where(lines_around(mask), line, mask + 1).astype(np.int16)) for mask in VARYING]
    folders = folder(tmp_path, VARYING, files)
    pool = scan(*folders)
    told = pool.warnings if line == 0 else pool.problems
    assert all("--invert-masks all" in text for _, text in told)
    assert told
    pool = scan(*folders, mask_options=MaskOptions(meaning, ("all",)))
    assert foreground_agrees(pool, [np.where(lines_around(mask), 0, mask) for mask in VARYING])
    assert any(f"{line} for lines" in note for note in pool.notes)


@pytest.mark.parametrize("meaning", [Meaning.AUTO, Meaning.OBJECTS])
def test_a_background_of_minus_one_is_read_with_the_option_that_is_proposed(
    tmp_path: Path, meaning: Meaning
) -> None:
    """Objects are numbered from 0."""
    folders = folder(tmp_path, VARYING, [(".tif", (mask - 1).astype(np.int16)) for mask in VARYING])
    refused = scan(*folders, mask_options=MaskOptions(meaning)).problems
    assert len(refused) == 4
    assert all("if -1 is the background: --invert-masks all" in text for _, text in refused)
    pool = scan(*folders, mask_options=MaskOptions(meaning, ("all",)))
    assert (pool.classes, len(pool.labelled), pool.problems) == (2, 4, ())
    assert foreground_agrees(pool, VARYING)


def test_classes_below_zero_are_read_as_well(tmp_path: Path) -> None:
    masks = [scattered(seed, 3) for seed in range(3)]
    folders = folder(tmp_path, masks, [(".tif", (mask - 1).astype(np.int16)) for mask in masks])
    pool = scan(*folders, mask_options=MaskOptions(inverted=("all",)))
    assert pool.classes == 3
    assert all(np.array_equal(pool.labels[f"c{number}.png"], mask) for number, mask in enumerate(masks))
