"""Masks of every usual coding become class ids;
what cannot be meant is refused with the values or sizes found."""

import struct
import zlib
from pathlib import Path
from typing import IO, Any

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from model.data.mask_warnings import mask_warnings
from model.data.masks.class_ids import class_ids, infer_classes, resize_mask
from model.data.masks.files import write_mask
from model.errors import MaskError
from tests.model.data.reading import read_mask, read_values

Array = np.ndarray[Any, Any]
SHAPE = (33, 57)


def ids(classes: int = 2, shape: tuple[int, int] = SHAPE, seed: int = 0) -> Array:
    return np.random.default_rng(seed).integers(0, classes, shape).astype(np.uint8)


def black_white_palette(mask: Array, first: int) -> Image.Image:
    image = Image.fromarray((mask if first == 0 else 1 - mask).astype(np.uint8))
    image.putpalette([first] * 3 + [255 - first] * 3)
    return image


def alpha_of(mask: Array, value: int) -> Array:
    return np.full_like(mask, value)


def test_all_binary_codings_give_the_same_ids(tmp_path: Path) -> None:
    mask = ids()
    white = mask * np.uint8(255)
    kinds = {
        "gray": Image.fromarray(white),
        "one bit": Image.fromarray(white).convert("1"),
        "ids": Image.fromarray(mask),
        "rgb": Image.fromarray(np.stack([white] * 3, axis=-1)),
        "rgba": Image.fromarray(np.stack([white, white, white, alpha_of(mask, 255)], axis=-1)),
        "la": Image.fromarray(np.stack([white, alpha_of(mask, 255)], axis=-1)),
        "palette": black_white_palette(mask, 0),
        "palette, white first": black_white_palette(mask, 255),
        "16 bit": Image.fromarray(mask.astype(np.uint16) * 65535),
    }
    for name, image in kinds.items():
        path = tmp_path / f"{name}.png"
        image.save(path)
        for classes in (None, 2):
            result = read_mask(path, shape=SHAPE, classes=classes)
            np.testing.assert_array_equal(result, mask, err_msg=name)
            assert result.dtype == np.uint8


@pytest.mark.parametrize("dtype", ["bool", "uint8", "uint16", "int32", "float32"])
@pytest.mark.parametrize("photometric", ["minisblack", "miniswhite"])
def test_tiff_masks_are_read_by_number(tmp_path: Path, dtype: str, photometric: str) -> None:
    """Also a Boolean array as Python writes it, which tifffile calls white-is-zero;
    one bit of another program is what it shows."""
    mask = ids()
    array = mask.astype(bool) if dtype == "bool" else (mask * 255).astype(dtype)
    tifffile.imwrite(tmp_path / "a.tif", array, photometric=photometric, compression="zlib")
    np.testing.assert_array_equal(read_mask(tmp_path / "a.tif", shape=SHAPE), mask)
    if dtype == "bool":
        shown = ~array if photometric == "miniswhite" else array
        tifffile.imwrite(tmp_path / "b.tif", shown, photometric=photometric, software="scanner")
        np.testing.assert_array_equal(read_mask(tmp_path / "b.tif", shape=SHAPE), mask)


@pytest.mark.parametrize("bits", [2, 4, 8])
def test_class_ids_survive_low_bit_depths_and_palettes(tmp_path: Path, bits: int) -> None:
    mask = ids(3)
    image = Image.fromarray(mask)
    image.putpalette([0, 0, 0, 255, 0, 0, 0, 255, 0])
    image.save(tmp_path / "p.png", bits=bits)
    np.testing.assert_array_equal(read_mask(tmp_path / "p.png", shape=SHAPE, classes=3), mask)


@pytest.mark.parametrize("bits", [2, 4])
def test_gray_of_2_and_4_bits_is_not_spread(tmp_path: Path, bits: int) -> None:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    mask = ids(3, (32, 40))
    each = 8 // bits
    packed = sum(mask[:, k::each].astype(np.uint8) << (8 - bits * (k + 1)) for k in range(each))
    rows = b"".join(b"\0" + row.tobytes() for row in np.asarray(packed, dtype=np.uint8))
    body = (
        chunk(b"IHDR", struct.pack(">IIBBBBB", 40, 32, bits, 0, 0, 0, 0))
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n" + body)
    np.testing.assert_array_equal(read_mask(tmp_path / "a.png", shape=(32, 40), classes=3), mask)


def test_ids_beyond_the_classes_are_named(tmp_path: Path) -> None:
    Image.fromarray(ids(4)).save(tmp_path / "a.png")
    with pytest.raises(MaskError, match=r"a\.png: .*\b0, 1, 2, 3\b.*0 to 2"):
        read_mask(tmp_path / "a.png", shape=SHAPE, classes=3)
    Image.fromarray(ids() * np.uint8(255)).save(tmp_path / "b.png")
    with pytest.raises(MaskError, match=r"b\.png: .*\b0, 255\b.*0 to 2"):
        read_mask(tmp_path / "b.png", shape=SHAPE, classes=3)
    with pytest.raises(MaskError, match=r"0, 128, 255, .*0/255"):
        class_ids(np.array([[0, 128, 255]], dtype=np.uint8))
    with pytest.raises(MaskError, match="-1"):
        class_ids(np.array([[0, -1]]))
    with pytest.raises(MaskError, match="classes is 1"):
        class_ids(np.array([[0, 1]]), 1)


def test_lossy_masks_and_object_numbers_are_told_apart_from_classes(tmp_path: Path) -> None:
    Image.fromarray(ids(3) * np.uint8(100)).save(tmp_path / "a.jpg", quality=70)
    for classes in (None, 2):
        with pytest.raises(MaskError, match=r"a\.jpg: .*JPEG is lossy.*PNG"):
            read_mask(tmp_path / "a.jpg", shape=SHAPE, classes=classes)


def test_another_size_names_both_sizes(tmp_path: Path) -> None:
    Image.fromarray(ids()).save(tmp_path / "a.png")
    with pytest.raises(MaskError, match=r"a\.png: .*57 x 33.*40 x 40"):
        read_mask(tmp_path / "a.png", shape=(40, 40))
    with pytest.raises(MaskError, match="EXIF"):
        read_mask(tmp_path / "a.png", shape=(57, 33))


def test_colours_fractions_hidden_alpha_and_damage_are_refused(tmp_path: Path) -> None:
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (*SHAPE, 3)).astype(np.uint8)).save(
        tmp_path / "colour.png"
    )
    tifffile.imwrite(tmp_path / "float.tif", np.random.default_rng(0).random(SHAPE))
    hidden = np.zeros((*SHAPE, 4), dtype=np.uint8)
    hidden[..., 3] = ids() * 255
    Image.fromarray(hidden).save(tmp_path / "alpha.png")
    (tmp_path / "text.png").write_text("no mask")
    for name, message in {
        "colour.png": "colours",
        "float.tif": "fractions",
        "alpha.png": "transparency",
        "text.png": "no mask",
    }.items():
        with pytest.raises(MaskError, match=f"{name}.*{message}"):
            read_values(tmp_path / name)
    with pytest.raises(MaskError, match="no such file"):
        read_mask(tmp_path / "gone.png", shape=SHAPE)


@pytest.mark.parametrize(
    ("dtype", "number"), [("uint64", 2**64 - 1), ("float64", 2.0**40), ("float64", -(2.0**40))]
)
def test_numbers_that_are_too_large_are_named_as_they_are(tmp_path: Path, dtype: str, number: float) -> None:
    mask = ids().astype(dtype)
    mask[0, 0] = number
    tifffile.imwrite(tmp_path / "a.tif", mask)
    with pytest.raises(MaskError, match=rf"a\.tif: found the number {int(number)},"):
        read_values(tmp_path / "a.tif")


def test_classes_are_inferred_from_the_numbers_of_all_masks(shared_data: Path) -> None:
    assert infer_classes([]) == 2
    assert infer_classes([ids(), ids() * np.uint8(255), np.zeros(SHAPE, dtype=np.uint8)]) == 2
    assert infer_classes([ids(), ids(4)]) == 4
    assert infer_classes([ids() * np.uint8(255)] * 2 + [ids(4)]) == 2, "the more frequent coding decides"
    for name, classes in {"axondeepseg_3class": 3, "bbbc010": 2}.items():
        paths = sorted((shared_data / name / "masks").iterdir())[:4]
        assert infer_classes(read_values(path) for path in paths) == classes
    with pytest.raises(MaskError, match="number 0"):
        infer_classes([np.arange(100).reshape(10, 10)])


def test_odd_masks_get_a_warning_and_usual_ones_none() -> None:
    assert mask_warnings(ids()) == []
    assert "no foreground" in mask_warnings(np.zeros(SHAPE, dtype=np.uint8))[0]
    assert "inverted" in mask_warnings(np.ones(SHAPE, dtype=np.uint8))[0]


def test_shrinking_takes_the_majority_and_growing_the_nearest() -> None:
    mask = np.zeros((4, 4), dtype=np.uint8)
    mask[:2, :2] = [[2, 2], [2, 0]]
    mask[2:, 2:] = [[1, 1], [0, 0]]
    np.testing.assert_array_equal(resize_mask(mask, (2, 2)), [[2, 0], [0, 0]])
    np.testing.assert_array_equal(resize_mask(mask, (8, 8)), np.kron(mask, np.ones((2, 2), dtype=np.uint8)))


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 100), height=st.integers(1, 90), width=st.integers(1, 90), classes=st.integers(2, 5)
)
def test_resizing_invents_no_class_and_keeps_type_and_shape(
    seed: int, height: int, width: int, classes: int
) -> None:
    mask = ids(classes, seed=seed)
    result = resize_mask(mask, (height, width))
    assert result.shape == (height, width)
    assert result.dtype == np.uint8
    assert set(np.unique(result)) <= set(np.unique(mask))


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 100), factor=st.integers(2, 4))
def test_growing_then_shrinking_gives_the_mask_back(seed: int, factor: int) -> None:
    mask = ids(3, seed=seed)
    grown = resize_mask(mask, (SHAPE[0] * factor, SHAPE[1] * factor))
    np.testing.assert_array_equal(resize_mask(grown, SHAPE), mask)


@pytest.mark.parametrize("white", [False, True])
def test_written_masks_read_back_and_leave_no_traces(tmp_path: Path, white: bool) -> None:
    mask = ids(2 if white else 4)
    write_mask(tmp_path / "a.png", mask, white=white)
    write_mask(tmp_path / "a.png", mask, white=white)
    np.testing.assert_array_equal(read_mask(tmp_path / "a.png", shape=SHAPE), mask)
    assert read_values(tmp_path / "a.png").max() == (255 if white else 3)
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]


def test_a_failed_write_keeps_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_mask(tmp_path / "a.png", ids())

    def full(_: Image.Image, file: IO[bytes], **__: object) -> None:
        file.write(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Image.Image, "save", full)
    with pytest.raises(MaskError, match=r"a\.png: .*No space left"):
        write_mask(tmp_path / "a.png", 1 - ids())
    np.testing.assert_array_equal(read_mask(tmp_path / "a.png", shape=SHAPE), ids())
    assert len(list(tmp_path.iterdir())) == 1


def test_what_cannot_be_written_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MaskError, match=r"expected \.png"):
        write_mask(tmp_path / "a.jpg", ids())
    for mask, white in (
        (ids(3), True),
        (np.full(SHAPE, 300), False),
        (np.full(SHAPE, 0.5), False),
        (np.zeros((0, 3), dtype=int), False),
    ):
        with pytest.raises(MaskError, match="expected whole numbers"):
            write_mask(tmp_path / "a.png", mask, white=white)
