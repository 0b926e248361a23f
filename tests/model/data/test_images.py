"""Images of every usual kind are read, oriented, shrunk and normalised;
anything else is refused with a message that helps."""

import io
import re
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image, ImageFile, ImageOps

from model.arrays import Array
from model.data.images.reading import decode_image, decode_raw, read_raw
from model.errors import ImageError
from tests.model.data.noise import noise
from tests.model.data.reading import image_size, read_image


def save_oriented(path: Path, array: Array, orientation: int) -> None:
    image = Image.fromarray(array)
    exif = Image.Exif()
    exif[274] = orientation
    image.save(path, exif=exif)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA"])
def test_png_of_every_mode_becomes_three_standardised_channels(tmp_path: Path, mode: str) -> None:
    path = tmp_path / "a.png"
    Image.fromarray(noise(33, 57, 3)).convert(mode).save(path)
    image = read_image(path)
    assert image.shape == (33, 57, 3)
    assert image.dtype == np.float32
    assert abs(image.mean()) < 1e-4
    assert abs(image.std() - 1) < 1e-4


@pytest.mark.parametrize("mode", ["LA", "RGBA"])
def test_alpha_is_dropped_without_darkening_the_image(tmp_path: Path, mode: str) -> None:
    array = noise(40, 40, len(mode))
    Image.fromarray(array).save(tmp_path / "a.png")
    expected = array[..., 0] if mode == "LA" else array[..., :3]
    np.testing.assert_array_equal(read_raw(tmp_path / "a.png"), expected)


def test_palette_images_are_shown_in_their_colours_but_stored_as_indices(tmp_path: Path) -> None:
    indices = noise(40, 40, top=3)
    image = Image.fromarray(indices)
    image.putpalette([10, 20, 30, 200, 100, 0, 0, 0, 255])
    image.save(tmp_path / "a.png")
    np.testing.assert_array_equal(read_raw(tmp_path / "a.png")[indices == 1][0], [200, 100, 0])
    np.testing.assert_array_equal(read_raw(tmp_path / "a.png", stored=True), indices)


@pytest.mark.parametrize("shape", [(40, 50), (40, 50, 3)])
def test_16_bit_png_keeps_all_its_bits_in_gray_and_in_colour(tmp_path: Path, shape: tuple[int, ...]) -> None:
    array = noise(*shape, top=65536, dtype="uint16")
    (tmp_path / "a.png").write_bytes(imagecodecs.png_encode(array))
    np.testing.assert_array_equal(read_raw(tmp_path / "a.png"), array)


def test_16_bit_png_loses_its_alpha(tmp_path: Path) -> None:
    array = noise(40, 50, 4, top=65536, dtype="uint16")
    (tmp_path / "a.png").write_bytes(imagecodecs.png_encode(array))
    np.testing.assert_array_equal(read_raw(tmp_path / "a.png"), array[..., :3])


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_all_orientations_are_applied_as_image_viewers_do(
    tmp_path: Path, orientation: int, suffix: str
) -> None:
    path = tmp_path / f"a{suffix}"
    array = np.kron(noise(5, 7), np.ones((8, 8), dtype=np.uint8))
    if suffix == ".tif":
        tifffile.imwrite(path, array, extratags=[(274, "H", 1, orientation, True)])
        save_oriented(tmp_path / "b.png", array, orientation)
        viewed = ImageOps.exif_transpose(Image.open(tmp_path / "b.png"))
    else:
        save_oriented(path, array, orientation)
        viewed = ImageOps.exif_transpose(Image.open(path))
    np.testing.assert_array_equal(read_raw(path), np.asarray(viewed))
    assert image_size(path) == read_raw(path).shape == ((40, 56) if orientation < 5 else (56, 40))


def test_orientation_of_a_16_bit_png_is_applied(tmp_path: Path) -> None:
    array = noise(40, 50, top=65536, dtype="uint16")
    save_oriented(tmp_path / "a.png", array, 6)
    with Image.open(tmp_path / "a.png") as image:
        assert image.mode == "I;16"
    np.testing.assert_array_equal(read_raw(tmp_path / "a.png"), np.rot90(array, -1))


def test_no_warning_of_a_library_reaches_the_terminal(tmp_path: Path) -> None:
    """A TIFF that its library complains of, and an image that is large for another, in a process of its own
    as a user starts it."""
    whole = io.BytesIO()
    tifffile.imwrite(whole, noise(40, 50), description="ImageJ=1.53t\nimages=9\nslices=9\n", metadata=None)
    damaged = whole.getvalue()
    (tmp_path / "a.tif").write_bytes(damaged)
    Image.fromarray(noise(40, 50)).save(tmp_path / "a.png")
    code = (
        "from PIL import Image; Image.MAX_IMAGE_PIXELS = 1500;"
        "from model.data.images.reading import read_raw;"
        f"print(*(read_raw({str(tmp_path)!r} + name).shape for name in ('/a.tif', '/a.png')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("(40, 50) (40, 50)\n", "")


def test_bytes_and_files_take_the_same_way(tmp_path: Path) -> None:
    path = tmp_path / "a.JPG"
    Image.fromarray(noise(60, 80, 3)).save(path, format="JPEG")
    np.testing.assert_array_equal(
        read_image(path, max_side=40), decode_image(path.read_bytes(), "task 7", max_side=40)
    )


@pytest.mark.parametrize("kind", ["png", "png16", "jpg", "tif", "lzw.tif"])
def test_truncated_files_are_refused_and_named(tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"cut.{kind}"
    array = noise(200, 200)
    if kind == "png16":
        path.write_bytes(imagecodecs.png_encode(array.astype(np.uint16) * 200))
    elif kind.endswith("tif"):
        tifffile.imwrite(path, array, compression="lzw" if kind == "lzw.tif" else None, rowsperstrip=16)
    else:
        Image.fromarray(array).save(path)
    whole = path.read_bytes()
    for length in (len(whole) // 2, len(whole) - 60, 30, 5):
        path.write_bytes(whole[:length])
        with pytest.raises(ImageError, match="cut"):
            read_image(path)
    assert not ImageFile.LOAD_TRUNCATED_IMAGES


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "empty"),
        (b"version https://git-lfs.github.com/spec/v1", "run: git lfs pull"),
        (bytes(128) + b"DICM" + bytes(64), "found a DICOM file"),
        (b"version 2 of something else", "starts with b'version 2 of som', expected PNG"),
        (b"\x89PNG\r\n\x1a\n", "damaged header (cannot identify image file), expected PNG"),
        (b"\xff\xd8\xff\xe0", "copy or export the file again"),
        (bytes(5000), "found zeros alone"),
        (b"\r\n<!DOCTYPE html><html>", "download the image itself"),
        (b"<html lang='en'>", "found a web page"),
    ],
)
def test_what_is_no_image_is_described(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "odd.png"
    path.write_bytes(content)
    for read in (read_image, image_size):
        with pytest.raises(ImageError, match=rf"odd\.png.*{re.escape(message)}"):
            read(path)


@pytest.mark.parametrize("kind", ["BMP", "WEBP"])
def test_bmp_and_webp_are_read(kind: str) -> None:
    """Label Studio takes them as uploads: gray, colour, palette, transparency; not animations."""
    options = {"lossless": True, "exact": True} if kind == "WEBP" else {}
    for mode, shown in (
        ("L", "RGB" if kind == "WEBP" else "L"),
        ("RGB", "RGB"),
        ("RGBA", "RGB"),
        ("P", "RGB"),
    ):
        if kind == "WEBP" and mode == "P":
            continue
        image = Image.fromarray(noise(40, 50, 3)).convert(mode)
        stream = io.BytesIO()
        image.save(stream, kind, **options)
        raw = decode_raw(stream.getvalue(), "x")
        np.testing.assert_array_equal(raw, np.asarray(image.convert(shown)))
        with pytest.raises(ImageError, match=r"truncated or damaged|damaged header"):
            decode_raw(stream.getvalue()[: len(stream.getvalue()) // 2], "x")


@pytest.mark.parametrize("kind", ["WEBP", "PNG"])
def test_an_animation_is_no_image(kind: str) -> None:
    stream = io.BytesIO()
    first, second = (Image.fromarray(noise(40, 50, 3, seed=seed)) for seed in (1, 2))
    first.save(stream, kind, save_all=True, append_images=[second])
    with pytest.raises(ImageError, match="animation of 2 pictures"):
        decode_raw(stream.getvalue(), "x")


def test_other_formats_missing_files_and_folders_are_refused(tmp_path: Path) -> None:
    stream = io.BytesIO()
    Image.fromarray(noise(40, 40)).save(stream, "GIF")
    with pytest.raises(ImageError, match=r"task 3: .*GIF.*PNG, JPEG or TIFF"):
        decode_image(stream.getvalue(), "task 3")
    with pytest.raises(ImageError, match=r"gone\.png: no such file"):
        read_image(tmp_path / "gone.png")
    with pytest.raises(ImageError, match="is no file"):
        image_size(tmp_path)


def test_images_below_32_pixels_are_refused_and_32_accepted(tmp_path: Path) -> None:
    Image.fromarray(noise(31, 90)).save(tmp_path / "small.png")
    with pytest.raises(ImageError, match=r"small\.png: .*90 x 31.*32"):
        read_image(tmp_path / "small.png")
    Image.fromarray(noise(32, 32)).save(tmp_path / "a.png")
    assert read_image(tmp_path / "a.png").shape == (32, 32, 3)


@pytest.mark.parametrize("side", [15_000, 30_000])
def test_gigantic_images_are_refused_before_decoding(side: int) -> None:
    png = io.BytesIO()
    Image.fromarray(noise(40, 50)).save(png, "PNG")
    ihdr = b"IHDR" + struct.pack(">II", side, side) + png.getvalue()[24:29]
    forged = png.getvalue()[:12] + ihdr + struct.pack(">I", zlib.crc32(ihdr)) + png.getvalue()[33:]
    with pytest.raises(ImageError, match=r"huge: .*tiles"):
        decode_raw(forged, "huge")


def test_decode_raw_keeps_alpha_when_asked_for_stored_numbers() -> None:
    stream = io.BytesIO()
    array = noise(40, 40, 4)
    Image.fromarray(array).save(stream, "PNG")
    np.testing.assert_array_equal(decode_raw(stream.getvalue(), "a", stored=True), array)


@pytest.mark.parametrize("dataset", ["dsb2018", "usiigaci_t98g", "bbbc010", "axondeepseg_3class"])
def test_real_images_are_read_and_bounded(shared_data: Path, dataset: str) -> None:
    for path in sorted((shared_data / dataset / "images").iterdir())[::6]:
        image = read_image(path, max_side=256)
        assert max(image.shape[:2]) == 256
        assert np.isfinite(image).all()
        assert np.abs(image).max() < 20
        assert max(image_size(path)) >= 256
