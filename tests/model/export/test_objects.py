"""Numbered objects, and the same as COCO."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from pycocotools.coco import COCO

from backend.labelstudio.labels.config import parse
from backend.labelstudio.labels.regions import to_mask
from model.errors import MaskError
from model.export.coco import describe_objects, write_coco
from model.export.objects import number_objects

MASKS = st.tuples(st.integers(1, 20), st.integers(1, 20)).flatmap(
    lambda size: arrays(np.uint8, size, elements=st.integers(0, 2))
)


def test_touching_cells_stay_apart_where_they_were_drawn_one_by_one() -> None:
    mask = np.zeros((6, 8), np.uint8)
    mask[1:5, 1:7] = 1
    left, right = (np.ones((4, 3), bool) for _ in range(2))
    parts = [
        (1, (slice(1, 5), slice(1, 4)), left),
        (1, (slice(1, 5), slice(4, 7)), right),
    ]
    assert number_objects(mask).classes == [1]
    objects = number_objects(mask, parts)
    assert (objects.classes, objects.areas) == ([1, 1], [12, 12])
    assert objects.numbers[2, 2] != objects.numbers[2, 5]
    assert ((objects.numbers > 0) == (mask > 0)).all()


def test_more_objects_than_16_bits_hold_are_refused() -> None:
    mask = np.zeros((1024, 1024), np.uint8)
    mask[::2, ::2] = 1
    with pytest.raises(MaskError, match=r"262144 .* 65535"):
        number_objects(mask)


def written(masks: list[npt.NDArray[np.uint8]]) -> bytes:
    """The COCO JSON of some masks."""
    images = [describe_objects(number_objects(mask), f"{n}.png") for n, mask in enumerate(masks)]
    file = io.BytesIO()
    write_coco(file, images, ["axon", "nucleus"])
    return file.getvalue()


@given(st.lists(MASKS, min_size=1, max_size=3))
def test_pycocotools_reads_the_same_masks(masks: list[npt.NDArray[np.uint8]]) -> None:
    """Any mask, with holes in it and pieces that touch at corners; areas and boxes, too."""
    read = COCO()
    read.dataset = json.loads(written(masks))
    read.createIndex()
    for image, mask in zip(read.dataset["images"], masks, strict=True):
        seen = np.zeros_like(mask)
        for annotation in read.loadAnns(read.getAnnIds(imgIds=image["id"])):
            found = read.annToMask(annotation)
            assert found.sum() == annotation["area"]
            rows, columns = np.nonzero(found)
            left, top, width, height = annotation["bbox"]
            assert (left, top) == (columns.min(), rows.min())
            assert (width, height) == (np.ptp(columns) + 1, np.ptp(rows) + 1)
            seen[found > 0] = annotation["category_id"]
        assert (seen == mask).all()


def test_label_studio_reads_the_same_masks(tmp_path: Path) -> None:
    """By the importer of its SDK, as tasks with polygons."""
    random = np.random.default_rng(0)
    mask = np.kron(random.integers(0, 3, (9, 12)), np.ones((5, 5))).astype(np.uint8)
    (tmp_path / "instances.json").write_bytes(written([mask]))
    from label_studio_sdk.converter.imports.coco import convert_coco_to_ls  # takes seconds

    convert_coco_to_ls(str(tmp_path / "instances.json"), str(tmp_path / "tasks.json"))
    (task,) = json.loads((tmp_path / "tasks.json").read_text())
    config = parse((tmp_path / "tasks.label_config.xml").read_text())
    regions = [each for each in task["annotations"][0]["result"] if each["type"] == "polygonlabels"]
    drawn = to_mask(regions, config, (mask.shape[0], mask.shape[1]))
    names = [0, *(config.class_id(label) for label in ("axon", "nucleus"))]
    assert (drawn == np.array(names)[mask]).all()
