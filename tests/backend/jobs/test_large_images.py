"""However large an image or a label is, what is done with it stays within what it is counted as."""

from __future__ import annotations

import base64
import io
import multiprocessing
import resource
import sys
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from backend.errors import RegionError, TaskImageError
from backend.jobs.masks.pre_annotation import PreAnnotator
from backend.jobs.masks.refit import refitted
from backend.labelstudio.http.answers import Region
from backend.labelstudio.images import one_image, require_size
from backend.labelstudio.labels.config import LabelConfig, parse
from backend.labelstudio.labels.regions import draw_regions
from model.data.images.header import BYTES_A_PIXEL, MAX_PIXELS, decoding_pixels
from model.data.images.reading import decode_shrunk
from model.data.masks.class_ids import resize_mask
from model.data.masks.small_objects import count_losses
from model.export.polygons import trace
from model.network.checkpoint import TrainedModel
from model.network.recipe import Recipe
from model.network.unet import build_network
from tests.large_images import CONFIG, FILES, LABELS, POLYGONS, brush, discs
from tests.peak_memory import peak_bytes

SIDE = 4500
BLOCKS = 250e6
"""Bytes that are held of any image larger than a block, for the blocks and the network."""


def annotator(config: LabelConfig) -> PreAnnotator:
    recipe = Recipe(width=4, depth=2, max_side=256)
    network = build_network(recipe.encoder, config.classes, width=4, depth=2).eval()
    return PreAnnotator(TrainedModel(network, config.classes, recipe, {}), config.labels, config)


@pytest.mark.parametrize(
    "kind",
    ["PNG, colour", "PNG, 16-bit colour", "JPEG, progressive", "WebP", "TIFF, tiles", "TIFF, float colour"],
)
def test_decoding_takes_no_more_memory_than_it_is_counted_as(kind: str) -> None:
    data = FILES[kind](SIDE)
    counted = decoding_pixels(data, kind)
    assert peak_bytes(lambda: decode_shrunk(data, kind, 256)) < BYTES_A_PIXEL * counted + 100e6
    with pytest.raises(TaskImageError, match=r"task 5: .*4500 x 4500.*MAX_MEGAPIXELS") as raised:
        require_size(data, 5, counted - 1)
    assert raised.value.lasting


@pytest.mark.parametrize("config", [CONFIG, POLYGONS], ids=["brush", "polygons"])
def test_masks_are_drawn_in_blocks(config: str) -> None:
    drawing, data = annotator(parse(config)), FILES["PNG, gray"](SIDE)
    assert peak_bytes(lambda: drawing.regions(data, "x")) < BYTES_A_PIXEL * SIDE**2 + BLOCKS


@pytest.mark.parametrize("side", [3150, 4000])
def test_outlines_take_as_much_memory_whatever_the_mask(side: int) -> None:
    """Of 8,000 x 8,000 pixels, too, a process takes 1.5 GB at most."""
    mask = discs(side)
    assert peak_bytes(lambda: trace(mask, 1.0)) < 370e6


@pytest.mark.parametrize("kind", LABELS)
def test_labels_are_read_one_region_at_a_time(kind: str) -> None:
    regions, config = LABELS[kind](SIDE), parse(CONFIG)

    def read() -> None:
        mask = draw_regions(regions, config, (SIDE, SIDE)).mask
        assert mask.any()
        resize_mask(mask, (256, 256))
        count_losses(mask, 256)

    assert peak_bytes(read) < BYTES_A_PIXEL * SIDE**2 + BLOCKS + 150e6


def draw_with_little_memory(files: list[bytes], told: Path) -> None:
    """Draw one after the other in 100 MB more than this process has, and write what came of each."""
    drawing = annotator(parse(CONFIG))
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + 100_000_000, resource.RLIM_INFINITY))
    found = []
    for task, data in enumerate(files, 1):
        try:
            with one_image(task):
                found.append("drawn" if drawing.regions(data, f"task {task}") else "nothing")
        except TaskImageError as error:
            found.append(str(error))
    told.write_text("\n".join(found))


@pytest.mark.skipif(sys.platform != "linux", reason="no such limit elsewhere")
def test_memory_that_runs_out_costs_one_image(tmp_path: Path) -> None:
    """For real, in a process of its own, to which the system gives too little for one of three."""
    small, large = (FILES["PNG, gray"](side) for side in (300, 6000))
    torch.set_num_threads(1)  # several do not survive a fork
    fork = multiprocessing.get_context("fork")
    process = fork.Process(target=draw_with_little_memory, args=([small, large, small], tmp_path / "told"))
    process.start()
    process.join(120)
    process.kill()
    first, second, third = (tmp_path / "told").read_text().splitlines()
    assert (first, third) == ("drawn", "drawn")
    assert second.startswith("task 2: ")
    assert "memory" in second


def forged(side: int) -> bytes:
    """A PNG of 50 x 40 whose header says more."""
    stream = io.BytesIO()
    Image.fromarray(np.zeros((40, 50), dtype=np.uint8)).save(stream, "PNG")
    content = bytearray(stream.getvalue())
    content[16:24] = side.to_bytes(4, "big") * 2
    content[29:33] = zlib.crc32(content[12:29]).to_bytes(4, "big")
    return bytes(content)


def test_what_no_setting_allows_says_so() -> None:
    with pytest.raises(
        TaskImageError,
        match=r"20000 x 20000 .*MAX_MEGAPIXELS.*tiles",
    ):
        require_size(forged(20_000), 5, MAX_PIXELS)


def region(value: dict[str, Any], side: int, kind: str = "brushlabels") -> Region:
    return {
        "id": "r",
        "type": kind,
        "from_name": "brush",
        "to_name": "image",
        "original_width": side,
        "original_height": side,
        "value": value,
    }


@pytest.mark.parametrize(
    "bad",
    [
        region(brush(discs(60), "A")["value"], 10**6),
        region(
            {
                "imageDataURL": "data:image/png;base64," + base64.b64encode(forged(20_000)).decode(),
                "bitmasklabels": ["A"],
            },
            60,
            "bitmasklabels",
        ),
    ],
    ids=["a label of another size", "a bitmask of another size"],
)
def test_sizes_that_a_label_claims_are_not_believed(bad: dict[str, Any]) -> None:
    config = parse(
        CONFIG.replace("BrushLabels", "BitmaskLabels") if bad["type"] == "bitmasklabels" else CONFIG
    )

    def read() -> None:
        with pytest.raises(RegionError, match=r"20000 x 20000|1000000 x"):
            draw_regions([bad], config, (60, 60))

    assert peak_bytes(read) < 50e6


def test_a_mask_on_show_that_claims_any_size_is_emptied() -> None:
    """Somebody has changed a prediction by the API: it is one of many that are fitted to other labels."""
    claimed = region(brush(discs(60), "A")["value"], 10**6)
    assert refitted([claimed], parse(POLYGONS)) == []
