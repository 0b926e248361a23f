"""Thumbnails with their mask, and the map of the similarity."""

from __future__ import annotations

import io
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from backend.jobs.round.pictures import image_name, keep_similarity
from backend.jobs.round.similarity_map import MOST_CELLS, alike_together, similarity_map
from backend.jobs.round.thumbnails import COLOURS, SIDE, overlay, thumbnail
from backend.labelstudio.labels.config import EXAMPLE, parse
from backend.store.round_record import RoundRecord, expected_dice, put_in_force
from backend.store.storage import Storage
from model.data.images.reading import decode_raw
from model.strategies.base import Comparison
from tests.backend.noise import noise_png


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_a_thumbnail_is_small_and_shows_the_mask(dtype: str) -> None:
    mask = np.zeros((600, 900), dtype=np.uint8)
    mask[100:400, 200:700] = 1
    with_mask, without = (
        np.asarray(
            Image.open(io.BytesIO(thumbnail(decode_raw(noise_png(600, 900, dtype=dtype), "x"), each)))
        ).astype(int)
        for each in (mask, None)
    )
    assert with_mask.shape == without.shape == (SIDE * 600 // 900, SIDE, 3)
    coloured = np.abs(with_mask - with_mask.mean(axis=2, keepdims=True)).max(axis=2) > 20
    assert coloured[50:150, 90:270].mean() > 0.9
    assert not coloured[:30].any()
    assert np.abs(without - without.mean(axis=2, keepdims=True)).max() < 4  # gray, but for the JPEG


def test_each_class_has_its_colour_and_an_outline() -> None:
    mask = np.zeros((9, 18), dtype=np.uint8)
    mask[2:7, 2:7], mask[2:7, 11:16] = 1, 2
    drawn = overlay(np.full((9, 18, 3), 100, dtype=np.uint8), mask)
    assert tuple(drawn[2, 4]) == COLOURS[0]
    assert tuple(drawn[2, 13]) == COLOURS[1]
    assert tuple(drawn[4, 4]) not in (COLOURS[0], (100, 100, 100))
    assert (drawn[mask == 0] == 100).all()


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("/data/local-files/?d=cells/images/a%20b.png", "a b.png"),
        ("/data/upload/3/c4.png", "c4.png"),
        ("/data/upload/3/0a1b2c3d-axons-024.png", "axons-024.png"),
        ("https://lab.org/ls/data/upload/3/0a1b2c3d-.png", ".png"),
        ("s3://bucket/folder/0a1b2c3d-own.tif", "0a1b2c3d-own.tif"),
        ("s3://bucket/folder/x.tif", "x.tif"),
        ("data:image/png;base64,AAAA", ""),
        (None, ""),
    ],
)
def test_the_name_of_a_tasks_image(address: str | None, name: str) -> None:
    assert image_name({"id": 1, "data": {"image": address}}, parse(EXAMPLE)) == name


def grouped(
    count: int, seed: int = 0
) -> tuple[list[str], np.ndarray[Any, np.dtype[np.float32]], np.ndarray[Any, np.dtype[np.int_]]]:
    """Images of two kinds, in random order: alike within a kind."""
    random = np.random.default_rng(seed)
    kinds = random.integers(0, 2, count)
    matrix = np.where(kinds[:, None] == kinds[None], 0.8, 0.2) + random.uniform(-0.1, 0.1, (count, count))
    np.fill_diagonal(matrix, 1.0)
    return [str(10 + number) for number in range(count)], matrix.astype(np.float32), kinds


@pytest.mark.parametrize("count", [1, 2, 6, 100])
def test_the_map_of_few_images_holds_every_figure(count: int) -> None:
    ids, matrix, _ = grouped(count)
    found = similarity_map(ids, matrix, ids[:1], ids[-1:])
    assert sorted(identity for group in found["groups"] for identity in group) == sorted(ids)
    assert all(len(group) == 1 for group in found["groups"])
    for row, (i,) in enumerate(found["groups"]):
        for column, (j,) in enumerate(found["groups"]):
            assert found["values"][row][column] == round(100 * float(matrix[ids.index(i), ids.index(j)]))
    assert (found["count"], found["trained"], found["labelled"], "low" in found) == (
        count,
        ids[:1],
        ids[-1:],
        False,
    )


def test_the_map_of_many_images_holds_means_and_ranges_of_groups() -> None:
    ids, matrix, _ = grouped(2000)
    found = similarity_map(ids, matrix, [], [])
    assert len(found["groups"]) == MOST_CELLS
    assert {len(group) for group in found["groups"]} == {20}
    rows, columns = ([ids.index(identity) for identity in found["groups"][place]] for place in (3, 70))
    block = matrix[np.ix_(rows, columns)]
    assert found["values"][3][70] == round(100 * float(block.mean()))
    assert (found["low"][3][70], found["high"][3][70]) == (
        round(100 * float(block.min())),
        round(100 * float(block.max())),
    )
    own = matrix[np.ix_(rows, rows)][~np.eye(20, dtype=bool)]
    assert found["high"][3][3] == round(100 * float(own.max())) < 100


def test_images_alike_stand_together() -> None:
    _, matrix, kinds = grouped(60, seed=3)
    assert (np.diff(kinds[alike_together(matrix)]) != 0).sum() == 1


def test_what_is_expected_of_each_image_is_kept_for_who_exports_its_mask(tmp_path: Path) -> None:
    """How well the best labelled image teaches it; nothing where no order is in force, or none by dice."""
    storage = Storage(tmp_path)
    assert expected_dice(storage, 7) == {}
    RoundRecord("v3.r2", "", "v3", [2, 3], [2], order_of="v3.r1").save(storage, 7)
    put_in_force(storage, 7, "v3.r2")
    assert expected_dice(storage, 7) == {}
    matrix = np.array([[1, 0.5, 0.2], [0.4, 1, 0.9], [0.3, 0.6, 1]], dtype=np.float32)
    context: Any = SimpleNamespace(storage=storage)
    keep_similarity(context, "projects/7/rounds/v3.r1", Comparison(("1", "2", "3"), matrix, ()), ["1", "2"])
    assert expected_dice(storage, 7) == {"1": 1.0, "2": 1.0, "3": pytest.approx(0.9)}
