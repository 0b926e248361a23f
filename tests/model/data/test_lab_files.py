"""Files as labs have them:
what the numbers in masks mean, which masks are inverted, and what a lossy format has made of them."""

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image
from scipy import ndimage

from model.arrays import Array
from model.data.mask_coding import MaskOptions, Meaning
from model.data.pool import Pool, scan
from model.errors import PoolError
from tests.model.data.lab_files import (
    Numbers,
    blurred,
    coloured,
    discs,
    folder,
    jpeg,
    renumbered,
    scattered,
    stripes,
    touching,
)

Content = Array | Image.Image | bytes
VARYING = [discs(seed, count) for seed, count in enumerate([3, 5, 4, 5])]
"""Masks of 3, 5, 4 and 5 numbered objects."""
ONE_CLASS = "are read as one class"
OTHER_READING = "--mask-numbers classes"


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


def with_gaps(masks: list[Numbers], highest: int) -> list[Numbers]:
    """Other numbers up to `highest`, as they are left when objects were deleted."""
    chosen = [np.random.default_rng(seed).permutation(highest) + 1 for seed in range(len(masks))]
    return [
        renumbered(mask, sorted(numbers[: mask.max()].tolist()))
        for mask, numbers in zip(masks, chosen, strict=True)
    ]


def apart(seed: int) -> Numbers:
    """One region of each class, of usual sizes."""
    rows, columns = np.mgrid[:96, :96]
    moved = np.random.default_rng(seed).integers(-3, 4)
    places = ((1, 25, 25, 20), (2, 70, 25, 12), (3, 25, 75, 7))
    return sum(
        number * (np.hypot(rows - row - moved, columns - column) <= radius)
        for number, row, column, radius in places
    )


def bordered(mask: Numbers) -> Numbers:
    return np.where((mask == 0) & (ndimage.grey_dilation(mask, (3, 3)) > 0), 255, mask)


@pytest.mark.parametrize(
    ("masks", "suffix", "write"),
    [
        (VARYING, ".png", lambda mask: mask.astype(np.uint8)),
        (VARYING, ".png", lambda mask: mask.astype(np.uint16)),
        (VARYING, ".tif", lambda mask: mask.astype(np.int32)),
        (VARYING, ".tif", lambda mask: mask.astype(np.float32)),
        (VARYING, ".png", lambda mask: palette(mask, [0, 0, 0, *range(20, 65)])),
        (VARYING, ".png", coloured),
        (VARYING, ".png", lambda mask: np.where((mask == 0)[..., None], np.uint8(255), coloured(mask))),
        (VARYING[:2], ".png", lambda mask: mask.astype(np.uint8)),
        (with_gaps(VARYING, 11), ".png", lambda mask: mask.astype(np.uint8)),
        (with_gaps(VARYING, 6), ".png", lambda mask: mask.astype(np.uint8)),
        (with_gaps(VARYING, 60_000), ".png", lambda mask: mask.astype(np.uint16)),
        (
            [touching(seed, count) for seed, count in enumerate([9, 12, 7])],
            ".png",
            lambda mask: mask.astype(np.uint8),
        ),
        (
            [touching(seed, count) for seed, count in enumerate([4, 6, 5, 6])],
            ".png",
            lambda mask: mask.astype(np.uint8),
        ),
        (
            [discs(seed, 60 + 5 * seed, 4, 160) for seed in range(3)],
            ".png",
            lambda mask: mask.astype(np.uint8),
        ),
        ([discs(seed, 4) for seed in range(4)], ".png", lambda mask: mask.astype(np.uint8)),
        ([discs(1, 5)], ".png", lambda mask: mask.astype(np.uint8)),
    ],
    ids=[
        *(
            "uint8",
            "uint16",
            "int32",
            "float32",
            "palette",
            "colours",
            "colours on white",
            "2 masks",
            "gaps",
            "gaps in few",
            "16 bit",
        ),
        *("touching", "few touching", "many", "same count", "a single mask"),
    ],
)
def test_numbered_objects_are_one_class(
    tmp_path: Path, masks: list[Numbers], suffix: str, write: Callable[[Numbers], Content]
) -> None:
    """Whatever file they are in, with gaps, touching, the same count in each mask, in colours:
    said in one line, with the other reading."""
    pool = scan(*folder(tmp_path, masks, [(suffix, write(mask)) for mask in masks]))
    assert (pool.classes, len(pool.labelled), pool.problems) == (2, len(masks), ())
    assert foreground_agrees(pool, masks)
    said = [note for note in pool.notes if ONE_CLASS in note]
    assert len(said) == 1
    assert OTHER_READING in said[0]


def test_a_border_of_another_number_around_each_object_changes_nothing(tmp_path: Path) -> None:
    masks = [bordered(mask) for mask in VARYING]
    pool = scan(*folder(tmp_path, masks, [(".png", mask.astype(np.uint8)) for mask in masks]))
    assert pool.classes == 2
    assert ONE_CLASS in pool.notes[0]
    assert foreground_agrees(pool, masks)


@pytest.mark.parametrize(
    ("masks", "said"),
    [
        ([scattered(seed, 4) for seed in range(4)], False),
        ([scattered(seed, 3, pieces=12) for seed in range(2)], False),
        ([stripes(seed) for seed in range(4)], True),
        (
            [np.where(stripes(seed) == 3, stripes(seed) * (seed % 2), stripes(seed)) for seed in range(4)],
            True,
        ),
        (
            [
                (mask > 0).astype(int) + ndimage.binary_erosion(mask, iterations=8)
                for mask in (discs(seed, 1, 30) for seed in range(4))
            ],
            True,
        ),
        ([apart(seed) for seed in range(4)], True),
        ([apart(seed) for seed in range(2)], True),
        ([scattered(1, 3)], False),
    ],
    ids=[
        "scattered",
        "in many pieces",
        "few large",
        "one missing",
        "nested",
        "apart",
        "apart in 2",
        "a single mask",
    ],
)
def test_classes_are_not_taken_for_objects(tmp_path: Path, masks: list[Numbers], said: bool) -> None:
    """Also few large regions; where each is one piece in each mask, both readings are named."""
    pool = scan(*folder(tmp_path, masks, [(".png", mask.astype(np.uint8)) for mask in masks]))
    assert pool.classes == max(mask.max() for mask in masks) + 1
    assert np.array_equal(pool.labels["c0.png"], masks[0])
    assert any("--mask-numbers objects" in note for note in pool.notes) == said


def test_real_classes_are_not_taken_for_objects(shared_data: Path) -> None:
    for name, classes in {"axondeepseg_3class": 3, "axon_em": 3, "dsb2018": 2, "pfc_pn": 2}.items():
        pool = scan(shared_data / name / "images", shared_data / name / "masks", max_side=128)
        assert pool.classes == classes
        assert not pool.notes
        assert not pool.reading
        assert [text for _, text in pool.warnings if "number" in text] == []


def test_each_reading_of_the_numbers_can_be_asked_for(tmp_path: Path) -> None:
    folders = folder(tmp_path, VARYING, [(".png", mask.astype(np.uint8)) for mask in VARYING])
    pool = scan(*folders, mask_options=MaskOptions(Meaning.CLASSES))
    assert (pool.classes, pool.notes) == (6, ())
    assert scan(*folders, classes=6).classes == 6
    masks = [scattered(seed, 4) for seed in range(3)]
    folders = folder(tmp_path / "other", masks, [(".png", mask.astype(np.uint8)) for mask in masks])
    pool = scan(*folders, mask_options=MaskOptions(Meaning.OBJECTS))
    assert pool.classes == 2
    assert foreground_agrees(pool, masks)
    with pytest.raises(PoolError, match="--mask-numbers objects with --classes 3"):
        scan(*folders, classes=3, mask_options=MaskOptions(Meaning.OBJECTS))


def test_a_mask_in_one_colour_on_black_is_read_and_class_colours_are_refused(tmp_path: Path) -> None:
    red = [np.where((mask > 0)[..., None], np.array([255, 0, 0]), 0).astype(np.uint8) for mask in VARYING]
    pool = scan(*folder(tmp_path / "red", VARYING, [(".png", mask) for mask in red]))
    assert pool.classes == 2
    assert foreground_agrees(pool, VARYING)
    assert "in colours" in pool.notes[0]
    masks = [scattered(seed, 4) for seed in range(3)]
    pool = scan(*folder(tmp_path / "classes", masks, [(".png", coloured(mask)) for mask in masks]))
    assert not pool.labelled
    assert "found 3 colours" in dict(pool.problems)["c0.png"]
    assert "--mask-numbers objects" in dict(pool.problems)["c0.png"]


INVERTED: dict[str, Callable[[Numbers], Content]] = {
    "white": lambda mask: ((mask == 0) * 255).astype(np.uint8),
    "ids": lambda mask: (mask == 0).astype(np.uint8),
    "Boolean TIFF": lambda mask: bytes_of(mask == 0),
    "palette": lambda mask: palette(mask == 0, [255, 0, 0, 0, 0, 0]),
    "black and white palette": lambda mask: palette(mask == 0, [0, 0, 0, 255, 255, 255]),
    "1 and 2": lambda mask: np.where(mask > 0, 1, 2).astype(np.uint8),
    "object numbers, background 1": lambda mask: np.where(mask > 0, mask + 1, 1).astype(np.uint8),
    "object numbers, background 255": lambda mask: np.where(mask > 0, mask, 255).astype(np.uint8),
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
    assert any("Inverted: 4 of 4 masks" in note for note in pool.notes)


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
    with pytest.raises(PoolError, match=r"--invert-masks c9\.png: no such mask .* one of c0\.png, c1\.png"):
        scan(*folders, mask_options=MaskOptions(inverted=("c9.png",)))


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
    assert "Where objects are dense, all is well" in asked
    pool = scan(*folder(tmp_path, masks, [(".png", mask.astype(np.uint8)) for mask in masks]))
    assert not pool.warnings


def black_white(mask: Numbers) -> Array:
    return ((mask > 0) * 255).astype(np.uint8)


@pytest.mark.parametrize(
    ("suffix", "write"),
    [
        (".jpg", lambda mask: jpeg(black_white(mask), 95)),
        (".jpg", lambda mask: jpeg(black_white(mask), 40)),
        (".jpg", lambda mask: jpeg(np.stack([black_white(mask)] * 3, axis=-1))),
        (".png", lambda mask: jpeg(black_white(mask))),
        (".png", lambda mask: np.asarray(Image.open(io.BytesIO(jpeg(black_white(mask)))))),
        (".tif", lambda mask: bytes_of(black_white(mask), compression="jpeg")),
        (".png", lambda mask: webp(black_white(mask))),
    ],
    ids=["quality 95", "quality 40", "in colours", "named PNG", "saved again as PNG", "TIFF", "WebP"],
)
def test_black_and_white_is_read_through_the_ringing_of_jpeg(
    tmp_path: Path, suffix: str, write: Callable[[Numbers], Content]
) -> None:
    pool = scan(*folder(tmp_path, VARYING, [(suffix, write(mask)) for mask in VARYING]))
    assert foreground_agrees(pool, VARYING)
    assert (pool.classes, pool.problems, len(pool.notes)) == (2, (), 1)
    assert "read as black and white" in pool.notes[0]


@pytest.mark.parametrize(
    ("suffix", "write"),
    [
        (".jpg", lambda mask: jpeg((mask > 0) * 2, 90)),
        (".jpg", lambda mask: jpeg(np.where(mask > 0, 110, 100))),
        (".jpg", lambda mask: jpeg(np.array([0, 128, 255, 128, 255, 128])[mask], 90)),
        (".jpg", lambda mask: jpeg(mask)),
        (".png", lambda mask: jpeg((mask > 0) * 2, 90)),
        (".tif", lambda mask: bytes_of(((mask > 0) * 2).astype(np.uint8), compression="jpeg")),
        (".jpg", lambda mask: jpeg(np.where((mask > 0)[..., None], np.array([255, 0, 0]), 0), 90)),
        (".png", lambda mask: webp(mask * 20)),
    ],
    ids=["ids", "close grays", "three levels", "object numbers", "named PNG", "TIFF", "red", "WebP"],
)
def test_other_masks_in_jpeg_are_refused_with_the_reason(
    tmp_path: Path, suffix: str, write: Callable[[Numbers], Content]
) -> None:
    pool = scan(*folder(tmp_path, VARYING, [(suffix, write(mask)) for mask in VARYING]))
    assert (pool.labelled, len(pool.problems)) == ((), 4)
    assert all("JPEG is lossy" in text and "PNG" in text for _, text in pool.problems)


def test_gray_edges_are_divided_in_the_middle_and_levels_are_classes(tmp_path: Path) -> None:
    """Anti-aliased masks are black and white;
    evenly spaced grays in whole areas are the classes that they stand for."""
    files = [(".png", blurred(mask)) for mask in VARYING]
    pool = scan(*folder(tmp_path / "edges", VARYING, files))
    assert all(
        np.array_equal(pool.labels[f"c{number}.png"], gray >= 128) for number, (_, gray) in enumerate(files)
    )
    assert "4 masks with gray edges" in pool.notes[0]
    for grays in ([0, 85, 170, 255], [0, 128, 255]):
        masks = [scattered(seed, len(grays)) for seed in range(3)]
        pool = scan(
            *folder(
                tmp_path / str(len(grays)),
                masks,
                [(".png", np.array(grays, np.uint8)[mask]) for mask in masks],
            )
        )
        assert pool.classes == len(grays)
        assert np.array_equal(pool.labels["c1.png"], masks[1])
        assert "are read as the classes 0 to" in pool.notes[0]


@pytest.mark.parametrize("number", [40, 128, 254, 1000])
def test_a_single_number_too_large_for_a_class_is_the_foreground(tmp_path: Path, number: int) -> None:
    """Said; and inverted masks of that number are asked about as those of 255 are."""
    dtype = np.uint16 if number > 255 else np.uint8
    masks = [(".png", ((mask > 0) * number).astype(dtype)) for mask in VARYING]
    pool = scan(*folder(tmp_path / "plain", VARYING, masks))
    assert foreground_agrees(pool, VARYING)
    assert (pool.classes, pool.problems) == (2, ())
    assert f"The number {number} in the masks is read as the foreground" in pool.notes[0]
    masks = [(".png", ((mask == 0) * number).astype(dtype)) for mask in VARYING]
    inverted = scan(*folder(tmp_path / "inverted", VARYING, masks))
    assert any("--invert-masks all" in text for _, text in inverted.warnings)


def test_a_class_that_a_smooth_resizing_has_made_is_asked_about(tmp_path: Path) -> None:
    """Between 0 and 2 lies 1, wherever two areas meet."""
    masks = [discs(seed, 5, 12) for seed in range(4)]
    files: list[tuple[str, Content]] = [
        (".png", (blurred(mask).astype(int) * 2 // 255).astype(np.uint8)) for mask in masks
    ]
    pool = scan(*folder(tmp_path, masks, files))
    assert any("number 1 is but a thin outline" in text for _, text in pool.warnings)


def test_the_cases_that_went_wrong_once(shared_cases: Path) -> None:
    """Each with the right answer."""
    read = {
        name: scan(shared_cases / name / "images", shared_cases / name / "masks")
        for name in ("08-object-numbers", "16a-plain-inverted")
    }
    assert read["08-object-numbers"].classes == 2
    assert OTHER_READING in read["08-object-numbers"].notes[0]
    assert "83%" in read["16a-plain-inverted"].warnings[0][1]
    jpegs = scan(shared_cases / "18a-jpeg-ids" / "images", shared_cases / "18a-jpeg-ids" / "masks")
    assert not jpegs.labelled
    assert len([text for _, text in jpegs.problems if "JPEG is lossy" in text]) == 6
    planes = scan(shared_cases / "09-multifile-ome" / "images", shared_cases / "09-multifile-ome" / "masks")
    assert len(planes.ids) == 4
    assert all(np.array_equal(planes.images[i][..., 0], planes.images[i][..., 2]) for i in planes.ids)
    nested = scan(shared_cases / "24-subfolders" / "images", shared_cases / "24-subfolders" / "masks")
    assert len(nested.ids) == 12
    assert sum(i.startswith("plate1/") for i in nested.ids) == 9
    assert "9 of 12 images are in sub-folders (plate1)" in nested.notes[0]
