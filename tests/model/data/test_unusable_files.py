"""What a folder holds that cannot be used is named with what to do, and stops nothing else."""

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from model.data.masks.files import write_mask
from model.data.pool import scan
from model.errors import ImageError, MaskError, PoolError, TooFewLabelsError
from tests.model.data.noise import SIDE, put_image, put_mask


def test_hidden_files_folders_and_other_files_are_ignored(folders: tuple[Path, Path]) -> None:
    for name in (".hidden.png", "._a.png", "notes.txt", "Thumbs.db"):
        (folders[0] / name).write_text("x")
    (folders[0] / "folder.png").mkdir()
    pool = scan(*folders)
    assert len(pool.ids) == 5
    assert pool.problems == ()


def test_files_of_other_kinds_are_named_once_for_each_folder(folders: tuple[Path, Path]) -> None:
    for name in ("scan.czi", "old.bmp", "a.txt", "b.txt", ".DS_Store"):
        (folders[0] / name).touch()
    notes = [text for name, text in scan(*folders).warnings if name == folders[0].name]
    assert len(notes) == 1
    assert "a.txt, b.txt, old.bmp and 1 more" in notes[0]


def test_links_that_lead_nowhere_are_named(folders: tuple[Path, Path]) -> None:
    """An image whose mask cannot be reached is labelled: nobody is asked to label it again."""
    images, masks = folders
    (images / "gone.png").symlink_to(images / "nowhere.png")
    (masks / "a.png").unlink()
    (masks / "a.png").symlink_to(masks / "nowhere.png")
    pool = scan(images, masks)
    assert "gone.png" in dict(pool.problems)
    assert "image a.png is left out" in dict(pool.problems)["a.png"]
    assert not {"a.png", "gone.png"} & set(pool.ids)


def test_masks_that_seem_to_number_objects_are_pointed_out(folders: tuple[Path, Path]) -> None:
    images, masks = folders
    put_mask(masks, "c.png", classes=12)
    pool = scan(images, masks)
    assert any("count objects" in text and "255" in text for _, text in pool.warnings)


def test_missing_and_empty_folders_list_the_extensions(tmp_path: Path, folders: tuple[Path, Path]) -> None:
    (tmp_path / "empty").mkdir()
    for images, masks in (
        (tmp_path / "nowhere", None),
        (tmp_path / "empty", None),
        (folders[0], tmp_path / "nowhere"),
    ):
        with pytest.raises(PoolError, match=r"\.jpeg, \.jpg, \.png, \.tif, \.tiff"):
            scan(images, masks)
    assert scan(folders[0], tmp_path / "empty").labelled == ()


def test_a_stem_twice_is_refused_naming_both(folders: tuple[Path, Path]) -> None:
    put_image(folders[1], "a.tif")
    with pytest.raises(PoolError, match=r"a\.png and a\.tif"):
        scan(*folders)
    put_image(folders[0], "e.PNG")
    with pytest.raises(PoolError, match=r"e\.PNG and e\.png"):
        scan(folders[0])


def test_one_folder_for_both_and_bad_settings_are_refused(folders: tuple[Path, Path]) -> None:
    with pytest.raises(PoolError, match="two folders"):
        scan(folders[0], folders[0])
    with pytest.raises(PoolError, match="classes is 1"):
        scan(folders[0], classes=1)
    with pytest.raises(ImageError, match="max_side"):
        scan(folders[0], max_side=8)


def test_bad_files_are_noted_and_stop_nothing(folders: tuple[Path, Path]) -> None:
    images, masks = folders
    (images / "broken.png").write_bytes((images / "a.png").read_bytes()[:200])
    put_image(images, "tiny.png", shape=(8, 8))
    put_image(images, "wrong.png")
    put_mask(masks, "wrong.png", shape=(SIDE, SIDE))
    put_image(images, "lossy.png")
    put_image(masks, "lossy.jpg")
    put_mask(masks, "orphan.png")
    pool = scan(images, masks)
    assert pool.ids == ("a.png", "b.jpg", "c.TIF", "d.jpeg", "e.png")
    problems = dict(pool.problems)
    assert sorted(problems) == ["broken.png", "lossy.jpg", "orphan.png", "tiny.png", "wrong.png"]
    assert "truncated" in problems["broken.png"]
    assert "48 x 40" in problems["wrong.png"]
    assert "40 x 40" in problems["wrong.png"]
    assert "lossy.png" in problems["lossy.jpg"]
    assert "'orphan'" in problems["orphan.png"]


def test_a_pool_without_a_usable_image_is_refused_with_the_first_problem(tmp_path: Path) -> None:
    put_image(tmp_path, "a.png", shape=(8, 8))
    with pytest.raises(PoolError, match=r"none of the 1 images .*8 x 8 pixels"):
        scan(tmp_path)


def test_one_stray_mask_of_ids_does_not_throw_out_the_binary_ones(folders: tuple[Path, Path]) -> None:
    images, masks = folders
    put_mask(masks, "c.png", white=True)
    put_mask(masks, "e.png", classes=3)
    pool = scan(images, masks)
    assert pool.classes == 2
    assert pool.labelled == ("a.png", "b.jpg", "c.TIF")
    assert list(dict(pool.problems)) == ["e.png"]


def test_exif_rotated_images_need_masks_as_displayed(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[274] = 6
    (tmp_path / "i").mkdir()
    for name in ("good.jpg", "bad.jpg"):
        Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 60, 3)).astype(np.uint8)).save(
            tmp_path / "i" / name, exif=exif
        )
    put_mask(tmp_path / "m", "good.png", shape=(60, 40))
    put_mask(tmp_path / "m", "bad.png", shape=(40, 60))
    pool = scan(tmp_path / "i", tmp_path / "m")
    assert pool.labelled == pool.ids == ("good.jpg",)
    assert pool.images["good.jpg"].shape == (60, 40, 3)
    assert "EXIF" in dict(pool.problems)["bad.png"]


@pytest.mark.parametrize("orientation", [3, 6])
def test_a_mask_on_a_turned_image_is_said_to_lie_on_it_as_displayed(tmp_path: Path, orientation: int) -> None:
    """Where its shape does not tell: half a turn, and a square."""
    tags = Image.Exif()
    tags[274] = orientation
    put_image(tmp_path / "images", "a.png", shape=(SIDE, SIDE))
    put_image(tmp_path / "images", "b.png", shape=(SIDE, SIDE))
    Image.open(tmp_path / "images" / "a.png").save(tmp_path / "images" / "a.png", exif=tags)
    for name in ("a.png", "b.png"):
        put_mask(tmp_path / "masks", name, shape=(SIDE, SIDE))
    (note,) = scan(tmp_path / "images", tmp_path / "masks").notes
    assert note.startswith("1 images (a.png)")
    assert "EXIF" in note


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_a_mask_that_alone_is_turned_is_said(tmp_path: Path, suffix: str) -> None:
    """As the reverse is: nobody knows whether its program has turned it or copied the mark."""
    put_image(tmp_path / "images", "a.png")
    put_mask(tmp_path / "masks", "a.png")
    mask = Image.open(tmp_path / "masks" / "a.png")
    (tmp_path / "masks" / "a.png").unlink()
    tags = Image.Exif()
    tags[274] = 3
    mask.save(tmp_path / "masks" / f"a.{suffix}", exif=tags)
    (note,) = scan(tmp_path / "images", tmp_path / "masks").notes
    assert note.startswith(f"1 masks (a.{suffix}) are turned by their EXIF orientation")


def test_a_pipe_among_the_files_is_not_waited_for(folders: tuple[Path, Path]) -> None:
    os.mkfifo(folders[0] / "pipe.png")
    pool = scan(*folders)
    assert "no file" in dict(pool.problems)["pipe.png"]


def test_too_few_labels_names_both_numbers(folders: tuple[Path, Path]) -> None:
    pool = scan(*folders)
    pool.require_labels(2)
    with pytest.raises(TooFewLabelsError, match=r"\b2 labelled images of 5\b.*\b3; label 1\b"):
        pool.require_labels(3)


def test_masks_that_all_mark_nothing_are_too_few_labels(tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        put_image(tmp_path / "i", name)
        put_mask(tmp_path / "m", name, classes=1)
    pool = scan(tmp_path / "i", tmp_path / "m")
    assert pool.labelled == ("a.png", "b.png")
    assert [name for name, text in pool.warnings if "no foreground" in text] == ["a.png", "b.png"]
    with pytest.raises(TooFewLabelsError, match="none of the 2 masks"):
        pool.require_labels(1)
    put_mask(tmp_path / "m", "b.png")
    scan(tmp_path / "i", tmp_path / "m").require_labels(2)


def test_files_that_vanish_or_change_after_the_scan_are_named(folders: tuple[Path, Path]) -> None:
    pool = scan(*folders, cache_bytes=0)
    (folders[0] / "c.TIF").unlink()
    with pytest.raises(ImageError, match=r"c\.TIF: no such file"):
        pool.images["c.TIF"]
    put_image(folders[0], "e.png", shape=(50, 50))
    with pytest.raises(ImageError, match=r"e\.png: found \(50, 50\)"):
        pool.images["e.png"]
    (folders[1] / "a.png").unlink()
    with pytest.raises(MaskError, match=r"a\.png: no such file"):
        pool.labels["a.png"]


@pytest.mark.parametrize(
    ("stray", "texts"),
    [
        (7, ["2, 3, 4, 5, 6", "one of 6"]),
        (2, ["one of 6 masks"]),
    ],
)
def test_a_stray_class_id_is_pointed_out(tmp_path: Path, stray: int, texts: list[str]) -> None:
    for number in range(6):
        put_image(tmp_path / "images", f"{number}.png", seed=number)
        put_mask(tmp_path / "masks", f"{number}.png")
    mask = np.zeros((SIDE, SIDE + 8), np.uint8)
    mask[3, :5] = (1, 1, 1, 1, stray)
    write_mask(tmp_path / "masks" / "3.png", mask)
    pool = scan(tmp_path / "images", tmp_path / "masks")
    assert pool.classes == stray + 1
    assert [name for name, _ in pool.warnings] == ["3.png"] * len(texts)
    assert all(
        text in message and "--classes N" in message
        for text, (_, message) in zip(texts, pool.warnings, strict=True)
    )
    told = scan(tmp_path / "images", tmp_path / "masks", classes=2)
    assert not told.warnings
    assert [name for name, _ in told.problems] == ["3.png"]
