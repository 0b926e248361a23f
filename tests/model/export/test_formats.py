"""Images as they are exported: the same files, but where other programs would show them otherwise than their
masks are."""

from __future__ import annotations

import io

import numpy as np
import numpy.typing as npt
import pytest
import tifffile
from PIL import Image

from model.data.images.reading import decode_raw
from model.export.formats import encode_image

PIXELS = np.arange(48 * 40 * 3, dtype=np.uint32).reshape(48, 40, 3)


def file_of(values: npt.NDArray[np.generic], kind: str, orientation: int = 1) -> bytes:
    """An image file whose EXIF orientation turns it."""
    file = io.BytesIO()
    if kind == "TIFF":
        tifffile.imwrite(
            file, values, photometric="rgb", extratags=[(274, "H", 1, orientation, True)], metadata=None
        )
        return file.getvalue()
    exif = Image.Exif()
    exif[274] = orientation
    Image.fromarray(values).save(file, kind, **({"exif": exif} if orientation > 1 else {}))
    return file.getvalue()


def pixels_alone(content: bytes) -> npt.NDArray[np.generic]:
    """What a program shows that heeds no orientation."""
    if content[:4] in (b"II*\0", b"MM\0*"):
        return np.asarray(tifffile.imread(io.BytesIO(content)))
    with Image.open(io.BytesIO(content)) as image:
        assert image.getexif().get(274, 1) == 1
        return np.asarray(image)


@pytest.mark.parametrize("orientation", [2, 3, 6, 8])
@pytest.mark.parametrize(
    ("kind", "dtype", "name"),
    [("JPEG", np.uint8, "a.jpg"), ("TIFF", np.uint16, "a.tif"), ("PNG", np.uint8, "a.png")],
)
def test_a_turned_image_is_written_upright_as_its_mask_is(
    kind: str, dtype: type[np.generic], name: str, orientation: int
) -> None:
    """Without loss, also of 16 bits."""
    content = file_of((PIXELS % 251).astype(dtype), kind, orientation)
    suffix, written = encode_image(content, name)
    shown = decode_raw(content, name)
    assert shown.shape[:2] == ((40, 48) if orientation >= 5 else (48, 40))
    np.testing.assert_array_equal(pixels_alone(written), shown)
    np.testing.assert_array_equal(decode_raw(written, f"a{suffix}"), shown)


@pytest.mark.parametrize(
    ("kind", "name", "suffix"),
    [
        ("JPEG", "a.JPEG", ".JPEG"),
        ("JPEG", "a.png", ".jpg"),
        ("PNG", "a.jpg", ".png"),
        ("PNG", "a.tif", ".png"),
        ("TIFF", "a.tiff", ".tiff"),
        ("TIFF", "a.png", ".tif"),
        ("PNG", "task 7", ".png"),
    ],
)
def test_any_other_is_the_same_file_under_a_name_that_says_what_it_is(
    kind: str, name: str, suffix: str
) -> None:
    """Whatever it was called: programs go by the name."""
    content = file_of((PIXELS % 251).astype(np.uint8), kind)
    assert encode_image(content, name) == (suffix, content)
