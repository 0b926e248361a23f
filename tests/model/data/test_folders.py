"""Folders and sub-folders: which images are read, and which mask belongs to which."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from model.data.folders import find_files
from model.data.pool import scan
from model.errors import PoolError
from tests.model.rights import of_a_user


def put(path: Path, seed: int = 0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.random.default_rng(seed).integers(0, 2, (32, 40)).astype(np.uint8)).save(path)


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """Four images, three of them in sub-folders, two of the same name."""
    for name in ("a.png", "plate1/b.png", "plate1/deep/c.png", "plate2/b.png"):
        put(tmp_path / "images" / name)
    return tmp_path / "images"


def test_images_in_sub_folders_have_their_path_as_id_and_masks_the_same_path(
    images: Path, tmp_path: Path
) -> None:
    put(tmp_path / "masks" / "plate1" / "b.tif")
    pool = scan(images, tmp_path / "masks")
    assert pool.ids == ("a.png", "plate1/b.png", "plate1/deep/c.png", "plate2/b.png")
    assert pool.labelled == ("plate1/b.png",)
    (note,) = pool.notes
    for part in ("3 of 4 images", "plate1, plate1/deep, plate2", "--no-subfolders"):
        assert part in note


def test_sub_folders_can_be_left_out_and_are_counted(images: Path) -> None:
    pool = scan(images, subfolders=False)
    assert pool.ids == ("a.png",)
    (note,) = pool.notes
    assert "3 images" in note
    assert "--no-subfolders" in note
    (images / "a.png").unlink()
    with pytest.raises(PoolError, match="3 in sub-folders"):
        scan(images, subfolders=False)


def test_a_name_is_enough_where_only_one_of_the_two_lies_in_a_sub_folder(
    images: Path, tmp_path: Path
) -> None:
    """Unless two images or two masks have it."""
    for name in ("c.png", "b.png", "old/a.png"):
        put(tmp_path / "masks" / name)
    pool = scan(images, tmp_path / "masks")
    assert pool.labelled == ("a.png", "plate1/deep/c.png")
    ((name, text),) = pool.problems
    assert name == "b.png"
    assert "'plate1/b', 'plate2/b'" in text


def test_a_mask_of_another_sub_folder_is_none(images: Path, tmp_path: Path) -> None:
    put(tmp_path / "masks" / "plate3" / "c.png")
    pool = scan(images, tmp_path / "masks")
    assert pool.labelled == ()
    assert [name for name, _ in pool.problems] == ["plate3/c.png"]


def test_ome_tiff_and_its_mask_need_not_both_be_called_ome(tmp_path: Path) -> None:
    put(tmp_path / "images" / "a.ome.tif")
    put(tmp_path / "masks" / "a.png")
    assert scan(tmp_path / "images", tmp_path / "masks").labelled == ("a.ome.tif",)


def test_of_two_masks_the_one_of_the_very_name_is_taken(tmp_path: Path) -> None:
    """Whichever comes first; the other is named with the one that was taken."""
    put(tmp_path / "images" / "a.tif")
    put(tmp_path / "images" / "b.ome.tif")
    for name in ("a.png", "a.ome.tif", "b.png", "b.ome.png"):
        put(tmp_path / "masks" / name)
    pool = scan(tmp_path / "images", tmp_path / "masks")
    assert {name: path.name for name, path in pool.mask_paths.items()} == {
        "a.tif": "a.png",
        "b.ome.tif": "b.ome.png",
    }
    assert "'a' has the mask a.png already" in dict(pool.problems)["a.ome.tif"]
    assert "'b.ome' has the mask b.ome.png already" in dict(pool.problems)["b.png"]


def test_a_mask_that_keeps_the_extension_of_its_image_is_told_so(tmp_path: Path) -> None:
    put(tmp_path / "images" / "a.tif")
    put(tmp_path / "masks" / "a.tif.png")
    ((_, text),) = scan(tmp_path / "images", tmp_path / "masks").problems
    assert "rename the mask to 'a.png'" in text
    put(tmp_path / "masks" / "a.png")  # which nobody must write over
    ((_, text),) = scan(tmp_path / "images", tmp_path / "masks").problems
    assert "has the mask a.png already" in text


def test_folders_of_systems_hidden_ones_and_that_of_the_masks_are_passed_over(images: Path) -> None:
    for name in (
        "__MACOSX/x.png",
        ".ipynb_checkpoints/a-checkpoint.png",
        "plate1/@eaDir/x.png",
        "masks/a.png",
    ):
        put(images / name)
    for name in ("Thumbs.db", "desktop.ini", "plate1/Thumbs.db", "plate1/.DS_Store"):
        (images / name).touch()
    pool = scan(images, images / "masks")
    assert pool.labelled == ("a.png",)
    assert len(pool.ids) == 4
    assert (pool.problems, pool.warnings) == ((), ())
    (images / "plate1" / "notes.czi").touch()
    assert "passed over plate1/notes.czi" in scan(images, images / "masks").warnings[0][1]


def test_images_and_masks_side_by_side_in_the_folder_of_images(tmp_path: Path) -> None:
    """As when the folder above both is given."""
    put(tmp_path / "images" / "a.png")
    put(tmp_path / "masks" / "a.png")
    assert scan(tmp_path, tmp_path / "masks").labelled == ("images/a.png",)


@pytest.mark.parametrize("end", ["_mask", "_masks", "_seg", "_label", "_labels", "_gt", "_cp_masks", "-Mask"])
def test_masks_that_lie_beside_their_images_are_asked_about(tmp_path: Path, end: str) -> None:
    """As programs write them; nothing is changed by it."""
    for name in ("a.png", f"a{end}.png", "b.tif", f"b{end}.png", "c.png", "lonely_mask.png"):
        put(tmp_path / "images" / name)
    pool = scan(tmp_path / "images")
    assert len(pool.ids) == 6
    ((_, text),) = pool.warnings
    assert text.startswith(f"2 of the 6 images are called as masks are (a{end}.png, b{end}.png)")
    assert "give it as masks" in text


@pytest.mark.parametrize("name", ["masks", "Labels", "predicted"])
def test_a_folder_of_masks_among_the_images_is_asked_about(images: Path, name: str) -> None:
    put(images / "plate1" / name / "b.png")
    ((_, text),) = scan(images).warnings
    assert text.startswith(f"1 of the 5 images are called as masks are (plate1/{name}/b.png)")
    assert not scan(images, images / "plate1" / name).warnings


def test_links_are_followed_once_and_circles_end(images: Path, tmp_path: Path) -> None:
    put(tmp_path / "elsewhere" / "d.png")
    (images / "linked").symlink_to(tmp_path / "elsewhere")
    (images / "again").symlink_to(images / "plate1")
    (images / "plate1" / "up").symlink_to(images)
    (tmp_path / "elsewhere" / "self").symlink_to(tmp_path / "elsewhere")
    assert scan(images).ids == ("a.png", "linked/d.png", "plate1/b.png", "plate1/deep/c.png", "plate2/b.png")


def test_a_name_twice_in_a_sub_folder_leaves_out_both_and_stops_nothing(images: Path) -> None:
    put(images / "plate1" / "b.tif")
    pool = scan(images)
    assert pool.ids == ("a.png", "plate1/deep/c.png", "plate2/b.png")
    assert "b.png and b.tif" in pool.problems[0][1]
    put(images / "a.tif")
    with pytest.raises(PoolError, match="share a name"):
        find_files(images, "images")


@pytest.mark.parametrize("rights", [0o000, 0o644])
def test_a_sub_folder_that_cannot_be_opened_is_named_and_stops_nothing(images: Path, rights: int) -> None:
    """Neither one whose names cannot be read, nor one that tells them and does not let at the files."""
    (images / "plate1").chmod(rights)
    with of_a_user():
        pool = scan(images)
    assert pool.ids == ("a.png", "plate2/b.png")
    assert [name for name, _ in pool.problems] == ["plate1"]
    assert "check its permissions" in pool.problems[0][1]


@pytest.mark.parametrize("rights", [0o000, 0o644])
@pytest.mark.parametrize("closed", ["images", "."])
def test_a_folder_that_cannot_be_opened_is_said(
    images: Path, tmp_path: Path, rights: int, closed: str
) -> None:
    (tmp_path / closed).chmod(rights)
    with of_a_user(), pytest.raises(PoolError, match=r"images: cannot be opened .* check its permissions"):
        scan(images)
    (tmp_path / closed).chmod(0o755)


def test_a_link_into_a_folder_that_cannot_be_opened_stops_nothing(images: Path, tmp_path: Path) -> None:
    put(tmp_path / "closed" / "d.png")
    (images / "d.png").symlink_to(tmp_path / "closed" / "d.png")
    (tmp_path / "closed").chmod(0o644)
    with of_a_user():
        pool = scan(images)
    assert len(pool.ids) == 4
    assert [name for name, _ in pool.problems] == ["d.png"]


def test_a_link_to_itself_is_no_folder(images: Path, tmp_path: Path) -> None:
    """Neither of images nor of masks; among the images it is named and stops nothing."""
    circle = tmp_path / "circle"
    circle.symlink_to(circle)
    for folders in ((circle, None), (images, circle)):
        with pytest.raises(PoolError, match="circle: a link that leads to no folder"):
            scan(*folders)
    (images / "e.png").symlink_to(images / "e.png")
    assert [name for name, _ in scan(images).problems] == ["e.png"]
