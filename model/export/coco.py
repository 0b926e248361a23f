"""Masks as COCO JSON, as pycocotools, CVAT and Label Studio's converter read it: one polygon or more for each
object."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import IO, Any, TypedDict

import numpy as np
from scipy import ndimage

from model.export.objects import Objects
from model.export.polygons import outline


class Annotation(TypedDict):
    """An object, as COCO writes it, without its numbers in the file."""

    category_id: int
    bbox: list[int]  # left, top, width, height
    area: int  # pixels
    segmentation: list[list[int]]  # x, y, x, y, ... of each polygon, along the edges of pixels


class CocoImage(TypedDict):
    """An image and its objects."""

    file_name: str
    height: int
    width: int
    annotations: list[Annotation]


def describe_objects(objects: Objects, file_name: str) -> CocoImage:
    """The objects of an image as polygons. COCO has no holes: one is cut out by a line to it and back."""
    annotations: list[Annotation] = []
    boxes = ndimage.find_objects(objects.numbers)
    for number, (box, class_id, area) in enumerate(
        zip(boxes, objects.classes, objects.areas, strict=True), start=1
    ):
        top, left = box[0].start, box[1].start
        corner = np.array((left, top))
        polygons = outline(objects.numbers[box] == number)
        annotations.append(
            {
                "category_id": class_id,
                "bbox": [left, top, box[1].stop - left, box[0].stop - top],
                "area": area,
                "segmentation": [(points + corner).astype(int).ravel().tolist() for points in polygons],
            }
        )
    height, width = objects.numbers.shape
    return {"file_name": file_name, "height": height, "width": width, "annotations": annotations}


def write_coco(file: IO[bytes], images: Iterable[CocoImage], labels: Sequence[str]) -> None:
    """Write the images with their objects; `labels` are the names of the classes 1, 2, ...

    Image by image, as the polygons of thousands do not fit into memory.
    """
    categories = [{"id": number, "name": name} for number, name in enumerate(labels, start=1)]
    described: list[Mapping[str, Any]] = []
    file.write(b'{"categories": ' + json.dumps(categories).encode() + b', "annotations": [')
    written = 0
    for number, image in enumerate(images, start=1):
        described.append({"id": number, **{key: image[key] for key in ("file_name", "height", "width")}})
        for annotation in image["annotations"]:
            written += 1
            line = json.dumps({"id": written, "image_id": number, "iscrowd": 0, **annotation})
            file.write((b",\n" if written > 1 else b"\n") + line.encode())
    file.write(b'],\n"images": ' + json.dumps(described).encode() + b"}\n")
