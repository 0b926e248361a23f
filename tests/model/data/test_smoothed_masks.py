"""What JPEG, drawing programs and resizing have made of masks."""

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from model.arrays import Array
from model.data.pool import scan
from tests.model.data.lab_files import (
    VARYING,
    Content,
    Numbers,
    blurred,
    bytes_of,
    discs,
    folder,
    foreground_agrees,
    jpeg,
    scattered,
    webp,
)


def in_tiff(mask: Numbers, compression: str, level: float) -> bytes:
    args = {"level": level}
    return bytes_of((mask > 0).astype(np.uint8) * 2, compression=compression, compressionargs=args)


def black_white(mask: Numbers) -> Array:
    return ((mask > 0) * 255).astype(np.uint8)


@pytest.mark.parametrize(
    ("suffix", "write"),
    [
        (".jpg", lambda mask: jpeg(black_white(mask), 95)),
        (".jpg", lambda mask: jpeg(black_white(mask), 40)),
        (".jpg", lambda mask: jpeg(np.stack([black_white(mask)] * 3, axis=-1))),
        (".png", lambda mask: jpeg(black_white(mask))),
        (".png", lambda mask: np.asarray(Image.open(io.BytesIO(jpeg(black_white(mask)))))),
        (".tif", lambda mask: bytes_of(black_white(mask), compression="jpeg")),
        (".png", lambda mask: webp(black_white(mask))),
    ],
    ids=["quality 95", "quality 40", "in colours", "named PNG", "saved again as PNG", "TIFF", "WebP"],
)
def test_black_and_white_is_read_through_the_ringing_of_jpeg(
    tmp_path: Path, suffix: str, write: Callable[[Numbers], Content]
) -> None:
    pool = scan(*folder(tmp_path, VARYING, [(suffix, write(mask)) for mask in VARYING]))
    assert foreground_agrees(pool, VARYING)
    assert (pool.classes, pool.problems, len(pool.notes)) == (2, (), 1)
    assert "black and white" in pool.notes[0]


@pytest.mark.parametrize(
    ("suffix", "write"),
    [
        (".jpg", lambda mask: jpeg((mask > 0) * 2, 90)),
        (".jpg", lambda mask: jpeg(np.where(mask > 0, 110, 100))),
        (".jpg", lambda mask: jpeg(np.array([0, 128, 255, 128, 255, 128])[mask], 90)),
        (".jpg", lambda mask: jpeg(mask)),
        (".png", lambda mask: jpeg((mask > 0) * 2, 90)),
        (".tif", lambda mask: bytes_of(((mask > 0) * 2).astype(np.uint8), compression="jpeg")),
        (".jpg", lambda mask: jpeg(np.where((mask > 0)[..., None], np.array([255, 0, 0]), 0), 90)),
        (".png", lambda mask: webp(mask * 20)),
        (".tif", lambda mask: in_tiff(mask, "jpegxr", 0.3)),
        (".tif", lambda mask: in_tiff(mask, "lerc", 1)),
    ],
    ids=[
        *["ids", "close grays", "three levels", "object numbers", "named PNG", "TIFF", "red", "WebP"],
        *["JPEG XR in TIFF", "LERC in TIFF"],
    ],
)
def test_other_masks_in_jpeg_are_refused_with_the_reason(
    tmp_path: Path, suffix: str, write: Callable[[Numbers], Content]
) -> None:
    pool = scan(*folder(tmp_path, VARYING, [(suffix, write(mask)) for mask in VARYING]))
    assert (pool.labelled, len(pool.problems)) == ((), 4)
    assert all("JPEG is lossy" in text and "PNG" in text for _, text in pool.problems)


def test_gray_edges_are_divided_in_the_middle_and_levels_are_classes(tmp_path: Path) -> None:
    """Anti-aliased masks are black and white;
    evenly spaced grays in whole areas are the classes that they stand for."""
    files = [(".png", blurred(mask)) for mask in VARYING]
    pool = scan(*folder(tmp_path / "edges", VARYING, files))
    assert all(
        np.array_equal(pool.labels[f"c{number}.png"], gray >= 128) for number, (_, gray) in enumerate(files)
    )
    assert "4 masks" in pool.notes[0]
    for grays in ([0, 85, 170, 255], [0, 128, 255]):
        masks = [scattered(seed, len(grays)) for seed in range(3)]
        pool = scan(
            *folder(
                tmp_path / str(len(grays)),
                masks,
                [(".png", np.array(grays, np.uint8)[mask]) for mask in masks],
            )
        )
        assert (pool.classes, pool.reading) == (len(grays), {"levels": grays})
        assert np.array_equal(pool.labels["c1.png"], masks[1])
        assert f"classes 0 to {len(grays) - 1}" in pool.notes[0]


def test_a_class_that_a_smooth_resizing_has_made_is_asked_about(tmp_path: Path) -> None:
    """Between 0 and 2 lies 1, wherever two areas meet."""
    masks = [discs(seed, 5, 12) for seed in range(4)]
    files: list[tuple[str, Content]] = [
        (".png", (blurred(mask).astype(int) * 2 // 255).astype(np.uint8)) for mask in masks
    ]
    pool = scan(*folder(tmp_path, masks, files))
    assert any("number 1 " in text for _, text in pool.warnings)


@pytest.mark.parametrize(
    ("suffix", "write"),
    [
        (".tif", lambda gray: gray.astype(np.uint16) * 257),
        (".tif", lambda gray: gray.astype(np.float32)),
        (".tif", lambda gray: gray / np.float32(255)),
        (".png", lambda gray: (gray.astype(int) * 128 // 255).astype(np.uint8)),
        (".png", lambda gray: (gray.astype(int) * 200 // 255).astype(np.uint8)),
    ],
    ids=["16 bits", "floats", "fractions", "0/128", "0/200"],
)
def test_gray_edges_that_are_not_divided_are_refused_with_the_remedy(
    tmp_path: Path, suffix: str, write: Callable[[Array], Array]
) -> None:
    pool = scan(*folder(tmp_path, VARYING, [(suffix, write(blurred(mask))) for mask in VARYING]))
    assert (pool.labelled, len(pool.problems)) == ((), 4)
    assert all("edges" in text and "threshold" in text for _, text in pool.problems)


def test_classes_that_are_refused_are_not_called_gray_edges(tmp_path: Path) -> None:
    files = [(".png", (scattered(seed, 6) * 30).astype(np.uint8)) for seed in range(4)]
    pool = scan(*folder(tmp_path, VARYING, files))
    assert len(pool.problems) == 4
    assert all("renumber" in text and "edges" not in text for _, text in pool.problems)
