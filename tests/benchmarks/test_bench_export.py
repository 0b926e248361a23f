"""How long the masks of a project take to come out."""

from __future__ import annotations

import os
import time
from pathlib import Path

import numpy as np
import psutil
import pytest
import torch
from PIL import Image

from backend.export.project_masks import export_masks
from backend.labelstudio.labels.config import parse
from backend.labelstudio.labels.regions import from_mask
from backend.project.context import open_context
from backend.store.version_record import Learner, VersionRecord
from backend.store.versions import now
from model.network.checkpoint import TrainedModel
from model.network.inference import Segmenter
from model.network.recipe import Recipe
from model.network.unet import build_network
from model.pixels.classifier import train_pixel_model
from model.pixels.features import FeatureExtractor
from model.pixels.samples import draw_sample
from tests.annotator import Annotator
from tests.benchmarks.measures import processor_seconds
from tests.cells import CONFIG
from tests.model.data.reading import read_image
from tests.stack import Stack

IMAGES, LABELS = 100, 20
AIM = 300.0
"""Seconds of 1,000 images on two cores."""


@pytest.mark.benchmark
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("kind", [Learner.UNET, Learner.PIXEL])
def test_export(stack: Stack, shared_data: Path, tmp_path: Path, kind: Learner) -> None:
    """Images of 512 pixels, one of five labelled, all others drawn by the model."""
    source = sorted((shared_data / "usiigaci_t98g/images").iterdir())[:10]
    folder = stack.server.files / f"export-{kind}"
    folder.mkdir(parents=True)
    for number in range(IMAGES):
        with Image.open(source[number % len(source)]) as image:
            image.resize((512, 512)).save(folder / f"{number:04}.png")
    body = {"title": "Export", "label_config": CONFIG}
    project = int(stack.http.post("/api/projects", json=body).raise_for_status().json()["id"])
    stack.server.share_folder(project, folder)
    tasks = [{"data": {"image": stack.server.address(path)}} for path in sorted(folder.iterdir())]
    stack.http.post(f"/api/projects/{project}/import", json=tasks).raise_for_status()
    blob = np.kron(np.random.default_rng(0).integers(0, 2, (16, 16)), np.ones((32, 32))).astype(np.uint8)
    for task in stack.client.task_ids(project)[:LABELS]:
        Annotator(stack, stack.server.admin).submit(task, from_mask(blob, parse(CONFIG)))
    context = open_context(project)
    recipe = Recipe(width=16)
    record = VersionRecord("v1", "job", now(), ("Cell",), {}, 0, recipe.to_dict(), kind=kind)
    context.versions.save(model(kind, recipe, next(folder.iterdir()), blob), record)
    context.versions.make_current("v1", by="benchmark")
    torch.set_num_threads(os.cpu_count() or 1)
    servers = [psutil.Process(pid) for pid in stack.server.pids]
    spent = processor_seconds(servers)
    began, own = time.perf_counter(), time.process_time()
    done = export_masks(context, tmp_path / "out")
    wall, own, theirs = (
        time.perf_counter() - began,
        time.process_time() - own,
        processor_seconds(servers) - spent,
    )
    assert (done.labels, done.predictions, done.problems) == (LABELS, IMAGES - LABELS, [])
    times = 1000 / IMAGES
    print(
        f"\n1,000 images, {kind.noun}: {wall * times:.0f} s here; processor seconds: {own * times:.0f} of the"
        f" export, {theirs * times:.0f} of Label Studio, so {(own + theirs) * times / 2:.0f} s on two free"
        f" cores; aim {AIM:.0f} s"
    )


def model(kind: Learner, recipe: Recipe, path: Path, mask: np.ndarray) -> Segmenter:
    """Of either kind; what it draws does not matter."""
    if kind is Learner.UNET:
        network = build_network(recipe.encoder, 2, width=recipe.width, depth=recipe.depth).eval()
        return TrainedModel(network, 2, recipe)
    extractor = FeatureExtractor()
    sample = draw_sample(read_image(path), extractor, mask=mask)
    return train_pixel_model([sample], [mask], classes=2, seed=0, extractor=extractor)
