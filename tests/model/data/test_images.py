"""Images of every usual kind are read, oriented, shrunk and normalised;
anything else is refused with a message that helps."""

import io
import re
import struct
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFile, ImageOps

from model.data.image_header import image_size
from model.data.images import (
    decode,
    decode_image,
    decode_raw,
    normalise,
    read_image,
    read_raw,
    resample,
    shrink,
    working_size,
)
from model.errors import ImageError

Array = np.ndarray[Any, Any]


def noise(*shape: int, top: int = 256, dtype: str = "uint8", seed: int = 0) -> Array:
    return np.random.default_rng(seed).integers(0, top, shape).astype(dtype)


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


@pytest.mark.parametrize("compression", [None, "lzw", "zlib", "zstd"])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32", "int32", ">u2"])
def test_tiff_of_every_depth_and_compression_is_exact(
    tmp_path: Path, dtype: str, compression: str | None
) -> None:
    array = noise(33, 57, top=250).astype(dtype)
    tifffile.imwrite(
        tmp_path / "a.tif", array, compression=compression, byteorder=">" if dtype[0] == ">" else "<"
    )
    raw = read_raw(tmp_path / "a.tif")
    np.testing.assert_array_equal(raw, array)
    assert raw.dtype == np.dtype(dtype).newbyteorder("=")
    assert image_size(tmp_path / "a.tif") == (33, 57)
    assert read_image(tmp_path / "a.tif").shape == (33, 57, 3)


@pytest.mark.parametrize(
    ("shape", "options", "channels"),
    [
        ((40, 50, 3), {"photometric": "rgb"}, "HWC"),
        ((40, 50, 4), {"photometric": "rgb", "extrasamples": ["unassalpha"]}, "HWC"),
        ((40, 50, 2), {"photometric": "minisblack"}, "HWC"),
        ((3, 40, 50), {"photometric": "minisblack"}, "CHW"),
        ((2, 40, 50), {"photometric": "minisblack"}, "CHW"),
        ((3, 40, 50), {"photometric": "rgb", "planarconfig": "separate"}, "CHW"),
        ((3, 40, 50), {"imagej": True, "metadata": {"axes": "CYX"}}, "CHW"),
        ((1, 3, 40, 50), {"ome": True, "metadata": {"axes": "ZCYX"}, "photometric": "minisblack"}, "CHW"),
        ((1, 1, 40, 50), {"photometric": "minisblack"}, "CHW"),
    ],
)
def test_tiff_channels_are_found_first_or_last(
    tmp_path: Path, shape: tuple[int, ...], options: dict[str, Any], channels: str
) -> None:
    array = noise(*shape, top=65536, dtype="uint16")
    tifffile.imwrite(tmp_path / "a.tif", array, **options)
    plain = array.reshape(shape[-3:])
    plain = np.moveaxis(plain, 0, 2) if channels == "CHW" else plain
    raw = read_raw(tmp_path / "a.tif")
    if plain.shape[2] == 1:
        np.testing.assert_array_equal(raw, plain[..., 0])
        return
    assert raw.shape == (40, 50, 3)
    for c in range(min(3, plain.shape[2])):
        np.testing.assert_array_equal(raw[..., c], plain[..., c])
    assert image_size(tmp_path / "a.tif") == (40, 50)


@pytest.mark.parametrize(
    ("shape", "options"),
    [
        ((5, 40, 50), {"photometric": "minisblack"}),
        ((3, 40, 50), {"imagej": True, "metadata": {"axes": "ZYX"}}),
        ((3, 40, 50), {"imagej": True, "metadata": {"axes": "TYX"}}),
        ((2, 3, 40, 50), {"imagej": True, "metadata": {"axes": "ZCYX"}}),
        ((3, 40, 50), {"photometric": "minisblack", "metadata": None}),
        (
            (3, 40, 50),
            {"photometric": "minisblack", "metadata": None, "description": "ImageJ=1.53t\nimages=3\n"},
        ),
    ],
)
def test_a_stack_is_refused_and_the_remedy_named(
    tmp_path: Path, shape: tuple[int, ...], options: dict[str, Any]
) -> None:
    tifffile.imwrite(tmp_path / "stack.tif", noise(*shape, dtype="uint16"), **options)
    for read in (read_raw, image_size):
        with pytest.raises(ImageError, match=r"stack\.tif.*stack.*export single planes"):
            read(tmp_path / "stack.tif")


@pytest.mark.parametrize("axes", ["CYX", "ZYX", "TYX"])
def test_one_file_of_several_of_an_ome_tiff_is_the_plane_that_it_holds(tmp_path: Path, axes: str) -> None:
    """Whether the others lie beside it or not; a file that holds several planes of it is a stack."""
    planes = noise(3, 40, 50)

    def described(number: int) -> str:
        held = "".join(
            f'<TiffData First{axes[0]}="{k}" IFD="0" PlaneCount="1"><UUID'
            f' FileName="p{k}.ome.tif">urn:uuid:{k}</UUID></TiffData>'
            for k in range(3)
        )
        sizes = " ".join(f'Size{axis}="{3 if axis == axes[0] else 1}"' for axis in "ZCT")
        return (
            '<?xml version="1.0"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06"'
            f' UUID="urn:uuid:{number}"><Image ID="Image:0"><Pixels ID="Pixels:0" DimensionOrder="XYZCT"'
            f' Type="uint8" SizeX="50" SizeY="40" {sizes}>{held}</Pixels></Image></OME>'
        )

    for number in (0, 1):
        tifffile.imwrite(
            tmp_path / f"p{number}.ome.tif", planes[number], description=described(number), metadata=None
        )
        np.testing.assert_array_equal(read_raw(tmp_path / f"p{number}.ome.tif"), planes[number])
        assert image_size(tmp_path / f"p{number}.ome.tif") == (40, 50)
    tifffile.imwrite(
        tmp_path / "two.ome.tif",
        planes[:2],
        description=described(0),
        metadata=None,
        photometric="minisblack",
    )
    with pytest.raises(ImageError, match="stack"):
        read_raw(tmp_path / "two.ome.tif")


def test_no_warning_of_a_library_reaches_the_terminal(tmp_path: Path) -> None:
    """A TIFF that its library complains of, and an image that is large for another, in a process of its own
    as a user starts it."""
    whole = io.BytesIO()
    tifffile.imwrite(whole, noise(40, 50), description="ImageJ=1.53t\nimages=9\nslices=9\n", metadata=None)
    damaged = whole.getvalue()
    (tmp_path / "a.tif").write_bytes(damaged)
    Image.fromarray(noise(40, 50)).save(tmp_path / "a.png")
    code = (
        "from PIL import Image; Image.MAX_IMAGE_PIXELS = 1500; from model.data.images import read_raw; "
        f"print(*(read_raw({str(tmp_path)!r} + name).shape for name in ('/a.tif', '/a.png')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("(40, 50) (40, 50)\n", "")


@pytest.mark.parametrize(
    ("shape", "options", "said"),
    [
        ((3, 40, 50), {"photometric": "minisblack"}, "3 planes"),
        ((2, 40, 50), {"photometric": "minisblack"}, "2 planes"),
        ((40, 50, 3), {"photometric": "minisblack", "planarconfig": "contig"}, "3 planes"),
        ((3, 40, 50), {"photometric": "minisblack", "planarconfig": "separate"}, "3 planes"),
        ((40, 50, 3), {"photometric": "rgb"}, ""),
        ((3, 40, 50), {"photometric": "rgb", "planarconfig": "separate"}, ""),
        ((3, 40, 50), {"imagej": True, "metadata": {"axes": "CYX"}}, ""),
        ((3, 40, 50), {"ome": True, "metadata": {"axes": "CYX"}, "photometric": "minisblack"}, ""),
        ((40, 50), {"bigtiff": True}, ""),
    ],
)
def test_channels_that_a_tiff_does_not_name_are_told(
    tmp_path: Path, shape: tuple[int, ...], options: dict[str, Any], said: str
) -> None:
    tifffile.imwrite(tmp_path / "a.tif", noise(*shape), **options)
    assumed = decode((tmp_path / "a.tif").read_bytes(), "a.tif").assumed
    assert assumed.startswith(said)
    assert bool(assumed) == bool(said)


def test_pages_of_different_sizes_and_four_real_channels_are_refused(tmp_path: Path) -> None:
    with tifffile.TiffWriter(tmp_path / "a.tif") as tiff:
        tiff.write(noise(40, 50))
        tiff.write(noise(60, 50))
    with pytest.raises(ImageError, match="holds 2 images, expected one"):
        read_raw(tmp_path / "a.tif")
    tifffile.imwrite(tmp_path / "b.tif", noise(4, 40, 50), photometric="minisblack")
    with pytest.raises(ImageError, match="4 channels"):
        read_raw(tmp_path / "b.tif")


@pytest.mark.parametrize("small", [(32, 40), (20, 31)])
@pytest.mark.parametrize("thumbnail_first", [False, True])
def test_thumbnails_and_pyramids_inside_a_tiff_are_ignored(
    tmp_path: Path, small: tuple[int, int], thumbnail_first: bool
) -> None:
    array = noise(64, 80)
    pages = [(array, 0), (noise(*small), 1)]
    with tifffile.TiffWriter(tmp_path / "a.tif") as tiff:
        for page, kind in reversed(pages) if thumbnail_first else pages:
            tiff.write(page, subfiletype=kind, metadata=None)
    np.testing.assert_array_equal(read_raw(tmp_path / "a.tif"), array)
    assert image_size(tmp_path / "a.tif") == (64, 80)


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_white_is_zero_tiffs_are_shown_inverted_but_stored_as_they_are(tmp_path: Path, dtype: str) -> None:
    array = noise(40, 50).astype(dtype)
    tifffile.imwrite(tmp_path / "a.tif", array, photometric="miniswhite")
    np.testing.assert_array_equal(read_raw(tmp_path / "a.tif"), np.iinfo(dtype).max - array)
    np.testing.assert_array_equal(read_raw(tmp_path / "a.tif", stored=True), array)


def test_palette_tiff_is_shown_in_its_colours(tmp_path: Path) -> None:
    colours = noise(3, 256, top=65536, dtype="uint16")
    array = noise(40, 50)
    tifffile.imwrite(tmp_path / "a.tif", array, photometric="palette", colormap=colours)
    np.testing.assert_array_equal(read_raw(tmp_path / "a.tif")[3, 4], colours[:, array[3, 4]])


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
        (b"version https://git-lfs.github.com/spec/v1", "version https"),
        (b"\x89PNG\r\n\x1a\n", "damaged header (cannot identify image file)"),
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


def test_an_animation_is_no_image() -> None:
    stream = io.BytesIO()
    first, second = (Image.fromarray(noise(40, 50, 3, seed=seed)) for seed in (1, 2))
    first.save(stream, "WEBP", save_all=True, append_images=[second])
    with pytest.raises(ImageError, match="animation of 2 pictures"):
        decode_raw(stream.getvalue(), "x")


def test_other_formats_missing_files_and_folders_are_refused(tmp_path: Path) -> None:
    stream = io.BytesIO()
    Image.fromarray(noise(40, 40)).save(stream, "GIF")
    with pytest.raises(ImageError, match=r"task 3: found a GIF file, expected PNG, JPEG or TIFF"):
        decode_image(stream.getvalue(), "task 3")
    with pytest.raises(ImageError, match=r"gone\.png: no such file"):
        read_image(tmp_path / "gone.png")
    with pytest.raises(ImageError, match="cannot be opened"):
        image_size(tmp_path)


def test_images_below_32_pixels_are_refused_and_32_accepted(tmp_path: Path) -> None:
    Image.fromarray(noise(31, 90)).save(tmp_path / "small.png")
    with pytest.raises(ImageError, match=r"small\.png: found 90 x 31 pixels .*at least 32"):
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


def test_the_pixel_limit_holds_for_tiff_too(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("model.data.image_header.MAX_PIXELS", 1999)
    tifffile.imwrite(tmp_path / "huge.tif", noise(40, 50))
    with pytest.raises(ImageError, match=r"huge\.tif: found 50 x 40 pixels .*at most 1999"):
        read_raw(tmp_path / "huge.tif")


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_nan_and_infinity_are_refused_and_counted(tmp_path: Path, bad: float) -> None:
    array = noise(40, 50).astype(np.float32)
    array[3, 5:7] = bad
    tifffile.imwrite(tmp_path / "a.tif", array)
    with pytest.raises(ImageError, match=r"a\.tif: 2 values are NaN or infinite"):
        read_image(tmp_path / "a.tif")
    with pytest.raises(ImageError, match="NaN"):
        normalise(array)


def test_constant_empty_and_odd_arrays_are_refused(tmp_path: Path) -> None:
    Image.fromarray(np.full((40, 40), 7, dtype=np.uint8)).save(tmp_path / "flat.png")
    with pytest.raises(ImageError, match=r"flat\.png: every pixel has the value 7"):
        read_image(tmp_path / "flat.png")
    for odd in (np.zeros((0, 5)), np.ones((40, 40, 2)), np.ones(40), np.ones((40, 40), dtype=complex)):
        with pytest.raises(ImageError, match="expected real numbers"):
            normalise(odd)


def test_a_single_small_nucleus_in_a_black_image_survives() -> None:
    image = np.zeros((512, 512), dtype=np.uint16)
    image[100:106, 100:106] = 900
    result = normalise(image)
    assert result[103, 103, 0] > result[0, 0, 0] + 10
    speck = np.where(np.indices(image.shape).sum(axis=0) == 3, 7, 0)
    assert normalise(speck)[0, 3, 0] > 100, "four pixels, fewer than are clipped, in a black image"
    image[image == 0] = noise(int((image == 0).sum()), top=40, dtype="uint16")
    assert normalise(image)[103, 103, 0] > 10


def test_hot_pixels_do_not_squeeze_the_rest() -> None:
    image = noise(256, 256, top=100).astype(np.uint16)
    clean = normalise(image)
    image.ravel()[::5000] = 65535
    changed = normalise(image)
    usual = image < 100
    assert np.abs(changed[usual] - clean[usual]).max() < 0.1


def test_colours_keep_their_relation() -> None:
    image = noise(40, 50, 3).astype(np.float64)
    image[..., 2] = 0.5 * image[..., 0]
    result = normalise(image).astype(np.float64)
    assert result[..., 2].std() < 0.6 * result[..., 0].std()


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 1000), scale=st.floats(1e-3, 1e3), offset=st.floats(-100, 100), colour=st.booleans()
)
def test_normalise_ignores_scale_and_offset(seed: int, scale: float, offset: float, colour: bool) -> None:
    image = np.random.default_rng(seed).exponential(20, (32, 40, 3) if colour else (32, 40))
    np.testing.assert_allclose(normalise(image * scale + offset), normalise(image), atol=2e-3)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 1000))
def test_8_and_16_bit_give_the_same(seed: int) -> None:
    image = noise(32, 40, seed=seed)
    expected = normalise(image)
    np.testing.assert_allclose(normalise(image.astype(np.uint16) * 257), expected, atol=1e-4)
    np.testing.assert_allclose(normalise((image / 255).astype(np.float32)), expected, atol=1e-4)


def test_extreme_floats_neither_overflow_nor_vanish() -> None:
    image = noise(40, 40).astype(np.float64) - 128
    for factor in (1.4e306, 1e-300):
        np.testing.assert_allclose(normalise(image * factor), normalise(image), atol=1e-4)


@settings(max_examples=60, deadline=None)
@given(height=st.integers(32, 5000), width=st.integers(32, 5000), side=st.integers(32, 1024))
def test_working_size_fits_keeps_the_ratio_and_never_enlarges(height: int, width: int, side: int) -> None:
    new = working_size((height, width), side)
    assert min(new) >= 32
    assert max(new) == min(side, max(height, width)) or min(new) == 32
    assert new[0] <= height
    assert new[1] <= width
    assert abs(new[0] / height - new[1] / width) <= 0.5 / height + 0.5 / width


def test_a_strip_keeps_something_to_see() -> None:
    assert working_size((40, 5000), 512) == (32, 4000)
    assert working_size((5000, 32), 512) == (5000, 32)
    assert working_size((64, 1024), 512) == (32, 512)


def test_shrinking_averages_areas_and_a_bad_side_is_refused() -> None:
    image = noise(64, 128, 3)
    blocks = image.reshape(32, 2, 64, 2, 3).mean(axis=(1, 3))
    np.testing.assert_allclose(shrink(image, 64), blocks, atol=1e-3)
    assert shrink(image, 128) is image
    assert resample(image[..., 0], (32, 64)).shape == (32, 64)
    with pytest.raises(ImageError, match="max_side is 31"):
        shrink(image, 31)


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
