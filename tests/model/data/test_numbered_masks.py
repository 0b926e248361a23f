"""What the numbers in masks mean: objects or classes, in whatever file or colour they are."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage

from model.class_file import write_class_file
from model.data.masks.coding import MaskOptions, Meaning
from model.data.pool import scan
from model.errors import PoolError
from tests.model.data.lab_files import (
    VARYING,
    Content,
    Numbers,
    coloured,
    discs,
    folder,
    foreground_agrees,
    palette,
    picture,
    renumbered,
    scattered,
    stripes,
    touching,
)

OBJECTS = {"objects": True}
OTHER_READING = "--mask-numbers classes"


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
    assert pool.reading == OBJECTS
    assert foreground_agrees(pool, masks)
    (said,) = pool.notes
    assert OTHER_READING in said


def test_a_border_of_another_number_around_each_object_changes_nothing(tmp_path: Path) -> None:
    masks = [bordered(mask) for mask in VARYING]
    pool = scan(*folder(tmp_path, masks, [(".png", mask.astype(np.uint8)) for mask in masks]))
    assert (pool.classes, pool.reading) == (2, OBJECTS)
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


@pytest.mark.parametrize(
    ("content", "classes", "said"),
    [
        (
            '{"numbers": "classes", "classes": [{"id": 1, "name": "a"}, {"id": 2, "name": "b"}]}',
            3,
            "classes, as",
        ),
        (
            '{"numbers": "classes", "classes": [{"id": 0, "name": "none"}, {"id": 1, "name": "a"},'
            ' {"id": 2, "name": "b"}]}',
            3,
            "classes, as",
        ),
        ('{"numbers": "objects", "classes": [{"id": 1, "name": "a"}]}', 2, "objects, as"),
        (
            '\ufeff{"numbers": "classes", "classes": [{"id": 1, "name": "a"}, {"id": 2, "name": "b"}]}',
            3,
            "classes, as",
        ),
        ('{"numbers": "instances", "classes": [{"id": 1, "name": "a"}]}', 3, "passed over"),
        ('{"numbers": "classes", "classes": [{"id": 1e999, "name": "a"}]}', 3, "passed over"),
        ('{"numbers": "classes", "classes": ' + "[" * 100_000, 3, "passed over"),
        ('{"numbers": ', 3, "passed over"),
    ],
)
def test_a_table_of_classes_beside_masks_is_followed_or_said_to_be_passed_over(
    tmp_path: Path, content: str, classes: int, said: str
) -> None:
    masks = [scattered(seed, 3) for seed in range(3)]
    folders = folder(tmp_path, masks, [(".png", mask.astype(np.uint8)) for mask in masks])
    (folders[1] / "classes.json").write_text(content)
    pool = scan(*folders)
    assert pool.classes == classes
    assert said in pool.notes[0]


def test_a_table_of_too_many_classes_is_named(tmp_path: Path) -> None:
    """Of objects it may say so: their class is not read."""
    folders = folder(tmp_path, VARYING, [(".png", mask.astype(np.uint8)) for mask in VARYING])
    labels = [str(number) for number in range(256)]
    write_class_file(folders[1], labels)
    with pytest.raises(PoolError, match=r"masks/classes\.json: found 256 classes, expected at most 255"):
        scan(*folders)
    write_class_file(folders[1], labels[:255])
    assert scan(*folders).classes == 256
    write_class_file(folders[1], labels, objects=True)
    assert foreground_agrees(scan(*folders), VARYING)


@pytest.mark.parametrize(("kind", "void"), [("uint8", 255), ("uint16", 65535), ("int32", 2**31 - 1)])
def test_a_void_number_beside_objects_is_asked_about(tmp_path: Path, kind: str, void: int) -> None:
    """Not one of the objects, if there are as many."""
    beside = np.arange(96)[None] > 80
    masks = [np.where(beside & (mask == 0), void, mask) for mask in VARYING]
    pool = scan(*folder(tmp_path, masks, [(".tif", mask.astype(kind)) for mask in masks]))
    assert foreground_agrees(pool, masks)
    (asked,) = [text for _, text in pool.warnings]
    assert asked.startswith(f"4 of 4 masks hold the number {void}, ")
    assert "numbered up to 5" in asked


def test_as_many_objects_as_a_file_takes_are_no_void(tmp_path: Path) -> None:
    rows, columns = np.mgrid[:96, :96] // 6
    spots = np.where((np.mgrid[:96, :96] % 6 < 4).all(axis=0), (rows * 16 + columns), 0)
    pool = scan(*folder(tmp_path, [spots], [(".png", spots.astype(np.uint8))]))
    assert spots.max() == 255
    assert not any("void" in text for _, text in pool.warnings)


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
    with pytest.raises(PoolError, match=r"--mask-numbers objects .*--classes 3"):
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


@pytest.mark.parametrize("number", [40, 128, 254, 1000])
def test_a_single_number_too_large_for_a_class_is_the_foreground(tmp_path: Path, number: int) -> None:
    """Said; and inverted masks of that number are asked about as those of 255 are."""
    dtype = np.uint16 if number > 255 else np.uint8
    masks = [(".png", ((mask > 0) * number).astype(dtype)) for mask in VARYING]
    pool = scan(*folder(tmp_path / "plain", VARYING, masks))
    assert foreground_agrees(pool, VARYING)
    assert (pool.classes, pool.problems) == (2, ())
    assert f"number {number} " in pool.notes[0]
    masks = [(".png", ((mask == 0) * number).astype(dtype)) for mask in VARYING]
    inverted = scan(*folder(tmp_path / "inverted", VARYING, masks))
    assert any("--invert-masks all" in text for _, text in inverted.warnings)


@pytest.mark.parametrize("number", [-1, -9999])
def test_a_mask_with_negative_numbers_alone_is_left_out(tmp_path: Path, number: int) -> None:
    """As watershed lines are marked; the others are read as without it, and where all have them, all are
    named."""
    lines = [np.where(np.arange(96) == 40, number, mask) for mask in VARYING]
    files: list[tuple[str, Content]] = [(".tif", mask.astype(np.int32)) for mask in VARYING[:3]]
    pool = scan(*folder(tmp_path / "one", VARYING, [*files, (".tif", lines[3].astype(np.int32))]))
    assert (pool.classes, pool.reading, pool.labelled) == (2, OBJECTS, ("c0.png", "c1.png", "c2.png"))
    assert foreground_agrees(pool, VARYING[:3])
    assert f"the number {number}," in dict(pool.problems)["c3.tif"]
    pool = scan(*folder(tmp_path / "all", VARYING, [(".tif", mask.astype(np.int32)) for mask in lines]))
    assert (pool.labelled, len(pool.problems)) == ((), 4)


@pytest.mark.parametrize(
    "odd",
    [coloured(scattered(1, 12, pieces=2)), (scattered(1, 12, pieces=2) * 20).astype(np.uint8)],
    ids=["colours", "too large for classes"],
)
def test_a_mask_that_is_refused_has_no_say_in_how_the_others_are_read(tmp_path: Path, odd: Content) -> None:
    files: list[tuple[str, Content]] = [(".png", mask.astype(np.uint8)) for mask in VARYING[:3]]
    pool = scan(*folder(tmp_path, VARYING, [*files, (".png", odd)]))
    assert list(dict(pool.problems)) == ["c3.png"]
    assert (pool.classes, pool.reading) == (2, OBJECTS)
    assert foreground_agrees(pool, VARYING[:3])


def test_masks_of_several_numbers_are_looked_at_wherever_they_stand(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not only the first by path, of which each shows one object."""
    monkeypatch.setattr("model.data.pool.LOOKED_AT", 3)
    masks = [*(discs(seed, 1) for seed in range(5)), *VARYING]
    pool = scan(*folder(tmp_path, masks, [(".png", mask.astype(np.uint8)) for mask in masks]))
    assert (pool.classes, pool.reading) == (2, OBJECTS)
    assert foreground_agrees(pool, masks)
    assert OTHER_READING in pool.notes[0]


def test_an_image_behind_the_masks_that_are_looked_at_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("model.data.pool.LOOKED_AT", 2)
    files = [*(mask.astype(np.uint8) for mask in VARYING[:3]), picture(VARYING[3])]
    pool = scan(*folder(tmp_path, VARYING, [(".png", file) for file in files]))
    assert (pool.reading, pool.labelled) == (OBJECTS, ("c0.png", "c1.png", "c2.png"))
    assert "threshold" in dict(pool.problems)["c3.png"]
