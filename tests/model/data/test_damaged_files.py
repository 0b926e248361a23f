"""Files that an interrupted copy or a flipped bit has damaged are refused, never read with other pixels."""

import io
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image

from model.data.images.header import displayed_size
from model.data.images.reading import decode, read_raw
from model.data.pool import scan
from model.errors import ImageError
from tests.model.data.lab_files import VARYING, bytes_of, discs, folder, picture

LARGE = discs(1, 9, 14, side=256)
WHITE = [(mask > 0).astype(np.uint8) * 255 for mask in VARYING]


def saved(image: Image.Image, kind: str = "PNG", **options: str) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def zero_filled(data: bytes, kept: int) -> bytes:
    """As an interrupted copy leaves a file: of the right size, its end all zero."""
    return data[:kept] + bytes(len(data) - kept)


@pytest.mark.parametrize("kind", ["gray", "colours", "palette", "16 bits"])
@pytest.mark.parametrize("stored", [False, True])
def test_a_png_whose_end_is_zero_is_refused(kind: str, stored: bool) -> None:
    gray = picture(LARGE)
    images = {
        "gray": Image.fromarray(gray),
        "colours": Image.fromarray(np.dstack([gray, gray // 2, gray])),
        "palette": Image.fromarray(gray).quantize(16),
        "16 bits": Image.fromarray(gray.astype(np.uint16) * 200),
    }
    data = saved(images[kind])
    assert decode(data, "a.png", stored=stored).array.shape[:2] == LARGE.shape
    for kept in (len(data) // 2, len(data) * 9 // 10, len(data) - 20):
        with pytest.raises(ImageError, match=r"a\.png: .*damaged .*copy or export"):
            decode(zero_filled(data, kept), "a.png", stored=stored)


def test_no_flipped_bit_changes_the_pixels_of_a_png() -> None:
    data = saved(Image.fromarray(WHITE[0]))
    right, refused = decode(data, "a.png", stored=True).array, 0
    for at in range(8, len(data)):
        try:
            array = decode(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :], "a.png", stored=True).array
        except ImageError:
            refused += 1
        else:
            np.testing.assert_array_equal(array, right)
    assert refused > 0.9 * (len(data) - 8 - 12)  # of the last chunk nothing is needed


def test_what_a_png_tells_beside_its_pixels_may_be_damaged() -> None:
    """A date, say: the pixels are right."""
    data = saved(Image.fromarray(WHITE[0]))
    text = b"tEXtauthor\0me"
    chunk = (len(text) - 4).to_bytes(4, "big") + text + (zlib.crc32(text) ^ 1).to_bytes(4, "big")
    np.testing.assert_array_equal(decode(data[:-12] + chunk + data[-12:], "a.png").array, WHITE[0])
    np.testing.assert_array_equal(decode(data[:-12], "a.png").array, WHITE[0])


def test_one_damaged_mask_is_left_out_and_the_others_are_read(tmp_path: Path) -> None:
    masks = [discs(seed, 9, 14, side=256) for seed in range(4)]
    whole = [saved(Image.fromarray((mask > 0).astype(np.uint8) * 255)) for mask in masks]
    whole[0] = zero_filled(whole[0], len(whole[0]) // 2)
    pool = scan(*folder(tmp_path, masks, [(".png", data) for data in whole]))
    assert pool.labelled == ("c1.png", "c2.png", "c3.png")
    assert all(np.array_equal(pool.labels[f"c{number}.png"], masks[number] > 0) for number in (1, 2, 3))
    assert "copy or export" in dict(pool.problems)["c0.png"]


@pytest.mark.parametrize("options", [{}, {"tile": (64, 64)}, {"rowsperstrip": 32}])
@pytest.mark.parametrize("stored", [False, True])
def test_a_tiff_of_jpeg_that_is_cut_off_is_refused(options: dict[str, Any], stored: bool) -> None:
    """Whose decoder fills up what is missing with gray."""
    data = bytes_of(picture(LARGE), compression="jpeg", **options)
    for damaged in (data[:-300], zero_filled(data, len(data) - 300)):
        with pytest.raises(ImageError, match=r"a\.tif: .*damaged .*copy or export"):
            decode(damaged, "a.tif", stored=stored)


@pytest.mark.parametrize(
    ("options", "change"),
    [
        ({}, lambda count: 0 * count),
        ({}, lambda count: count + 1),
        ({"compression": "jpeg"}, lambda count: count + 1),
    ],
    ids=["in one piece, by where it begins", "one too many", "a JPEG that has its end"],
)
def test_a_tiff_that_counts_its_bytes_wrongly_is_read_where_all_are_there(
    tmp_path: Path, options: dict[str, Any], change: Callable[[int], int]
) -> None:
    content = bytes_of(picture(LARGE), **options)
    (tmp_path / "a.tif").write_bytes(content)
    with tifffile.TiffFile(tmp_path / "a.tif", mode="r+") as tiff:
        page = tiff.pages.first
        assert len(page.databytecounts) == 1
        page.tags["StripByteCounts"].overwrite([change(page.databytecounts[0])])
    assert np.array_equal(read_raw(tmp_path / "a.tif"), decode(content, "a.tif").array)


@pytest.mark.parametrize(
    "options", [{"rowsperstrip": 32}, {"tile": (64, 64)}, {"compression": "zlib", "rowsperstrip": 32}]
)
def test_a_tiff_with_parts_that_were_never_written_is_refused(
    tmp_path: Path, options: dict[str, Any]
) -> None:
    """Also one of a program for maps, which means pixels without data by it: not black ones."""
    (tmp_path / "a.tif").write_bytes(bytes_of(picture(LARGE), **options))
    with tifffile.TiffFile(tmp_path / "a.tif", mode="r+") as tiff:
        page = tiff.pages.first
        counts = [*page.databytecounts[:4], *[0] * (len(page.databytecounts) - 4)]
        page.tags["TileByteCounts" if "tile" in options else "StripByteCounts"].overwrite(counts)
    with pytest.raises(ImageError, match=rf"{len(counts) - 4} of the {len(counts)} parts .*GDAL"):
        read_raw(tmp_path / "a.tif")


@pytest.mark.parametrize(
    "damage", [lambda data: data[:-1000], lambda data: zero_filled(data, len(data) // 2)]
)
def test_a_tiff_whose_directory_is_missing_is_told_to_be_copied_again(
    damage: Callable[[bytes], bytes],
) -> None:
    """Most programs write it behind the pixels: not called a stack, nor a file without images."""
    data = saved(Image.fromarray(picture(LARGE)), "TIFF", compression="tiff_lzw")
    assert decode(data, "a.tif").array.shape == LARGE.shape
    for read in (decode, displayed_size):
        with pytest.raises(ImageError, match=r"a\.tif: .*copy or export"):
            read(damage(data), "a.tif")
