"""The images that a split names, and what is said of one that is not there."""

import json
import os
import unicodedata
from pathlib import Path

import pytest
from PIL import Image

from model.errors import PoolError
from model.experiment.images import read_pool
from tests.model.data.noise import put_image, put_mask

COMPOSED, DECOMPOSED = (unicodedata.normalize(form, "zähne.png") for form in ("NFC", "NFD"))


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Four labelled images and one without a mask."""
    for name in ("a.png", "b.png", "c.png", "d.png", "bare.png", DECOMPOSED):
        put_image(tmp_path / "images", name)
        if name != "bare.png":
            put_mask(tmp_path / "masks", name)
    return tmp_path


def split(data: Path, *test: str) -> Path:
    """A split in which the images after the first are for testing; as some editors save it."""
    path = data / "split.json"
    path.write_text(json.dumps({"pool": ["a.png"], "test": test}), encoding="utf-8-sig")
    return path


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("nowhere.png", "no usable image"),
        ("bare.png", "no mask"),
        ("b", "called b.png"),
        (COMPOSED, "NFC or NFD"),
    ],
)
def test_why_an_image_of_a_split_cannot_be_used(data: Path, name: str, said: str) -> None:
    with pytest.raises(PoolError, match=said):
        read_pool(data, split(data, "c.png", name), 64)


def test_an_image_of_a_split_whose_mask_is_refused_is_told_why(data: Path) -> None:
    """Though the mask has another extension."""
    put_mask(data / "masks", "c.png", shape=(20, 20))
    Image.open(data / "masks" / "c.png").save(data / "masks" / "c.tif")
    (data / "masks" / "c.png").unlink()
    with pytest.raises(PoolError, match=r"the first is c\.png: mask .*c\.tif: found 20 x 20 pixels"):
        read_pool(data, split(data, "c.png"), 64)


def test_a_split_is_read_as_editors_save_it(data: Path) -> None:
    assert "b.png" in read_pool(data, split(data, "b.png", "c.png"), 64).labelled


def test_names_that_are_no_text_are_refused_before_the_work(data: Path) -> None:
    """No results.json could hold them."""
    name = os.fsdecode(b"caf\xe9.png")
    for folder in ("images", "masks"):
        (data / folder / "c.png").rename(data / folder / name)
    with pytest.raises(PoolError, match="UTF-8"):
        read_pool(data, None, 64)


def test_test_images_without_any_foreground_are_refused(data: Path) -> None:
    """Or each dice would be 0."""
    for name in ("b.png", "c.png"):
        put_mask(data / "masks", name, classes=1)
    with pytest.raises(PoolError, match="None of the 2 test images"):
        read_pool(data, split(data, "b.png", "c.png"), 64)
