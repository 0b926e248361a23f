"""TIFF of every usual depth, compression and order of channels is read; a stack is refused."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from model.data.images.header import MAX_PIXELS
from model.data.images.reading import decode, read_raw
from model.errors import ImageError
from tests.model.data.lab_files import bytes_of
from tests.model.data.noise import noise
from tests.model.data.reading import image_size, read_image


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


@pytest.mark.parametrize(
    ("shape", "options", "said"),
    [
        ((3, 40, 50), {"photometric": "minisblack"}, "3 planes"),
        ((2, 40, 50), {"photometric": "minisblack"}, "2 planes"),
        ((40, 50, 3), {"photometric": "minisblack", "planarconfig": "contig"}, "3 planes"),
        ((3, 40, 50), {"photometric": "minisblack", "planarconfig": "separate"}, "3 planes"),
        ((40, 50, 3), {"photometric": "rgb"}, ""),
        ((3, 40, 50), {"photometric": "rgb", "planarconfig": "separate"}, "3 planes"),  # what any three are
        ((3, 40, 50), {}, "3 planes"),
        ((2, 40, 50), {"photometric": "minisblack", "planarconfig": "separate"}, "2 planes"),
        ((40, 50, 4), {"photometric": "rgb", "extrasamples": ["unspecified"]}, "a fourth channel"),
        ((40, 50, 4), {"photometric": "rgb", "extrasamples": ["unassalpha"]}, ""),
        ((40, 50, 2), {"photometric": "minisblack", "extrasamples": ["unassalpha"]}, ""),
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
    with pytest.raises(ImageError, match="holds 2 images"):
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


def test_the_pixel_limit_holds_for_tiff_too(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "huge.tif", noise(40, 50))
    with tifffile.TiffFile(tmp_path / "huge.tif", mode="r+") as tiff:
        for tag in ("ImageWidth", "ImageLength"):
            tiff.pages[0].tags[tag].overwrite(30_000)  # type: ignore[union-attr]
    with pytest.raises(ImageError, match=rf"huge\.tif: .*30000 x 30000.*{MAX_PIXELS}"):
        read_raw(tmp_path / "huge.tif")


@pytest.mark.parametrize("options", [{}, {"compression": "lzw"}, {"compression": "webp"}])
@pytest.mark.parametrize("stored", [False, True])
def test_ycbcr_that_no_decoder_turns_into_colours_is_refused(
    tmp_path: Path, options: dict[str, Any], stored: bool
) -> None:
    tifffile.imwrite(tmp_path / "a.tif", noise(40, 50, 3), photometric="ycbcr", **options)
    with pytest.raises(ImageError, match=r"a\.tif: .*YCBCR.*export it as RGB"):
        read_raw(tmp_path / "a.tif", stored=stored)


def test_planes_of_ycbcr_are_refused_even_as_jpeg(tmp_path: Path) -> None:
    planes = noise(3, 40, 50)
    tifffile.imwrite(
        tmp_path / "a.tif", planes, photometric="ycbcr", planarconfig="separate", compression="jpeg"
    )
    with pytest.raises(ImageError, match="YCBCR"):
        read_raw(tmp_path / "a.tif")


def test_jpeg_in_a_tiff_is_ycbcr_and_read_in_its_colours(tmp_path: Path) -> None:
    array = np.full((40, 48, 3), (200, 30, 90), np.uint8)
    tifffile.imwrite(tmp_path / "a.tif", array, photometric="rgb", compression="jpeg")
    with tifffile.TiffFile(tmp_path / "a.tif") as tiff:
        assert tiff.pages.first.photometric == tifffile.PHOTOMETRIC.YCBCR
    np.testing.assert_allclose(read_raw(tmp_path / "a.tif"), array, atol=4)


@pytest.mark.parametrize("compression", [None, "lzw", "zlib", "packbits", "lzma", "zstd", "png"])
def test_compressions_that_keep_values_are_not_called_lossy(compression: str | None) -> None:
    assert not decode(bytes_of(noise(40, 50), compression=compression), "a.tif").lossy
