"""A project's masks in a folder: from a real Label Studio into files that the science reads as they are."""

from __future__ import annotations

import csv
import io
import shutil
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner, Result

from backend.cli import app as service
from backend.errors import CancelledError
from backend.export import project_masks
from backend.jobs.export import export_archive
from backend.labelstudio.client import LabelStudio, Query
from backend.labelstudio.http.answers import Task
from backend.labelstudio.labels.config import LabelConfig, parse
from backend.labelstudio.labels.regions import from_mask
from backend.project.context import Context, open_context
from backend.queue import pending_work
from backend.queue.connection import connection
from backend.queue.progress import Progress
from backend.queue.project_jobs import cancel
from backend.settings import get_settings
from backend.store.version_record import VersionRecord
from backend.store.versions import now
from model.cli import app as science
from model.cli.progress_bar import ProgressBar
from model.export.mask_format import MaskFormat
from model.network.checkpoint import TrainedModel
from model.network.recipe import Recipe
from model.network.unet import build_network
from tests.annotator import Annotator
from tests.faulty_proxy import Kind, faulty_proxy
from tests.stack import Stack

CONFIG = (
    '<View><Image name="image" value="$image"/><BrushLabels name="labels" toName="image">'
    '<Label value="Axon"/><Label value="Myelin"/></BrushLabels></View>'
)
MASK = np.kron(np.array([[0, 1, 0, 2], [1, 1, 0, 0], [0, 0, 2, 2]]), np.ones((20, 20))).astype(np.uint8)


@dataclass
class Project:
    """Five images: a.png is labelled, b.png skipped, another a.png not touched; damaged.png cannot be read,
    nor labelled-damaged.png."""

    id: int
    tasks: dict[str, list[int]]  # by what the image is called
    images: dict[int, bytes]
    config: LabelConfig


def picture(seed: int) -> bytes:
    file = io.BytesIO()
    values = np.random.default_rng(seed).integers(0, 255, MASK.shape, dtype=np.uint8)
    Image.fromarray(values).save(file, "PNG")
    return file.getvalue()


@pytest.fixture(scope="module")
def project(stack: Stack) -> Iterator[Project]:
    body = {"title": "Export", "label_config": CONFIG}
    number = int(stack.http.post("/api/projects", json=body).raise_for_status().json()["id"])
    contents = [("a.png", picture(0)), ("b.png", picture(1)), ("a.png", picture(2))]
    contents += [("damaged.png", picture(3)[:2000]), ("labelled-damaged.png", picture(4)[:2000])]
    for name, content in contents:
        files = {"file": (name, content, "image/png")}
        stack.http.post(f"/api/projects/{number}/import", files=files).raise_for_status()
    ids = stack.client.task_ids(number)
    tasks: dict[str, list[int]] = {}
    for task, (name, _) in zip(ids, contents, strict=True):
        tasks.setdefault(name, []).append(task)
    made = Project(
        number, tasks, dict(zip(ids, (content for _, content in contents), strict=True)), parse(CONFIG)
    )
    ada = Annotator(stack, stack.server.admin)
    ada.submit(tasks["a.png"][0], from_mask(MASK, made.config))
    ada.submit(tasks["labelled-damaged.png"][0], from_mask(MASK[::-1].copy(), made.config))
    ada.skip(tasks["b.png"][0])
    keep_version(number)
    yield made
    cancel(number)  # the page has made it known
    pending_work.forget(connection(), number)
    stack.http.delete(f"/api/projects/{number}")


def keep_version(project: int) -> None:
    """A model of random weights is in use."""
    torch.manual_seed(3)
    recipe = Recipe(width=4, depth=2, max_side=64, precision="float32")
    network = build_network(recipe.encoder, 3, width=recipe.width, depth=recipe.depth).eval()
    versions = open_context(project).versions
    record = VersionRecord("v1", "job", now(), ("Axon", "Myelin"), {}, 0, recipe.to_dict())
    versions.save(TrainedModel(network, 3, recipe), record)
    versions.make_current("v1", by="test")


def export(project: Project, out: Path, *options: str) -> Result:
    where = ["export", "--project", str(project.id), "--out", str(out)]
    return CliRunner().invoke(service, [*where, *options], env={"COLUMNS": "300"})


def rows(out: Path) -> dict[str, dict[str, str]]:
    return {row["task"]: row for row in csv.DictReader((out / "index.csv").open())}


def read(path: Path) -> npt.NDArray[np.uint8]:
    return np.asarray(Image.open(path))


def test_every_image_has_its_best_mask_under_its_own_name(
    stack: Stack, project: Project, tmp_path: Path
) -> None:
    """Damaged ones stop nothing and are named, and a label comes out without its image."""
    out = tmp_path / "out"
    done = export(project, out, "--onnx")
    assert done.exit_code == 0, done.output + done.stderr
    first, second = project.tasks["a.png"]
    (skipped,), (broken,), (labelled,) = (
        project.tasks[name] for name in ("b.png", "damaged.png", "labelled-damaged.png")
    )
    found = rows(out)
    assert {task: row["mask"] for task, row in found.items()} == {
        str(first): "masks/a.png",
        str(skipped): "predicted/b.png",
        str(second): f"predicted/a-{second}.png",
        str(labelled): "masks/labelled-damaged.png",
    }
    label, prediction = found[str(first)], found[str(second)]
    assert (label["source"], label["annotator"], label["model_version"]) == (
        "label",
        stack.server.admin.email,
        "",
    )
    assert (prediction["source"], prediction["model_version"]) == ("prediction", "v1")
    assert label["date"]
    assert prediction["date"]
    assert (read(out / "masks/a.png") == MASK).all()
    assert (read(out / "masks/labelled-damaged.png") == MASK[::-1]).all()
    assert (out / f"images/a-{second}.png").read_bytes() == project.images[second]
    assert f"task {broken}" in done.stderr
    assert f"task {labelled}" in done.stderr
    assert f"a-{second}" in done.stdout
    # The model draws the same masks without Label Studio, and what came out goes in again as it is.
    where = ["--model", f"{out}/model", "--images", f"{out}/images", "--out", f"{tmp_path}/again"]
    assert CliRunner().invoke(science.app, ["predict", *where]).exit_code == 0
    assert (read(tmp_path / "again/b.png") == read(out / "predicted/b.png")).all()
    assert (out / "model/model.onnx").stat().st_size > 10_000
    where = ["--images", f"{out}/images", "--masks", f"{out}/masks", "--out", f"{tmp_path}/ranking.csv"]
    ranked = CliRunner().invoke(science.app, ["rank", *where, "--budget", "1", "--work", f"{tmp_path}/work"])
    assert ranked.exit_code == 0, ranked.output
    assert "3 classes" in ranked.stderr
    listed = {row["file"] for row in csv.DictReader((tmp_path / "ranking.csv").open())}
    assert listed == {"b.png", f"a-{second}.png"}


def test_an_image_20000_pixels_wide_comes_out_whole(
    stack: Stack, project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its label pixel for pixel, and the model's mask at its size.

    The shell draws with as many threads as the workers do: with others a pixel of the outline may differ from
    what the page gives.
    """
    monkeypatch.setenv("THREADS", "1")
    get_settings.cache_clear()
    body = {"title": "Wide", "label_config": CONFIG}
    number = int(stack.http.post("/api/projects", json=body).raise_for_status().json()["id"])
    mask = np.kron(MASK, np.ones((1, 250), dtype=np.uint8))
    assert mask.shape == (60, 20_000)
    for seed, name in enumerate(("labelled.png", "open.png")):
        file = io.BytesIO()
        Image.fromarray(np.random.default_rng(seed).integers(0, 255, mask.shape, dtype=np.uint8)).save(
            file, "PNG"
        )
        upload = {"file": (name, file.getvalue(), "image/png")}
        stack.http.post(f"/api/projects/{number}/import", files=upload).raise_for_status()
    first, _ = stack.client.task_ids(number)
    Annotator(stack, stack.server.admin).submit(first, from_mask(mask, project.config))
    keep_version(number)
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        done = export(Project(number, {}, {}, project.config), tmp_path / "out")
        assert (done.exit_code, torch.get_num_threads()) == (0, 1), done.output + done.stderr
    finally:
        torch.set_num_threads(threads)
    assert (read(tmp_path / "out/masks/labelled.png") == mask).all()
    assert read(tmp_path / "out/predicted/open.png").shape == mask.shape


def test_a_killed_export_goes_on_and_the_next_one_takes_its_place(
    stack: Stack, project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    asked: list[int] = []
    fetch = Context.image

    def image(context: Context, task: Task, config: LabelConfig) -> bytes:
        asked.append(int(task["id"]))
        return fetch(context, task, config)

    monkeypatch.setattr(Context, "image", image)
    assert export(project, out, "--format", "objects").exit_code == 0
    journal = out / ".export.jsonl"
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join(lines[:3]) + lines[3][:30])  # as a kill leaves it
    asked.clear()
    assert export(project, out, "--format", "png").exit_code == 2  # the other one is not finished
    assert export(project, out, "--format", "objects").exit_code == 0
    assert len(rows(out)) == 4
    first, second = project.tasks["a.png"]
    assert second in asked
    assert not {first, *project.tasks["b.png"]} & set(asked)
    refused = export(project, out)
    assert refused.exit_code == 2
    assert "--force" in refused.stderr
    # A label has come: its mask takes the place of the prediction, which is kept aside.
    (task,) = project.tasks["b.png"]
    Annotator(stack, stack.server.admin).submit(task, from_mask(MASK, project.config))
    done = export(project, out, "--force")
    assert done.exit_code == 0, done.output + done.stderr
    assert (read(out / "masks/b.png") == MASK).all()
    assert not (out / "predicted/b.png").exists()
    assert [path.name for path in out.glob("earlier/*/predicted/*")] == ["b.png"]


def test_label_studio_goes_away_in_the_middle(
    stack: Stack, project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is written stays, and the same command goes on from there."""
    out = tmp_path / "out"
    monkeypatch.setattr(project_masks, "CHUNK", 1)
    with faulty_proxy(stack.server.url) as proxy:
        monkeypatch.setenv("LABEL_STUDIO_URL", proxy.url)
        get_settings.cache_clear()
        shutil.rmtree(open_context(project.id).image_cache)
        with monkeypatch.context() as away:
            away.setattr(ProgressBar, "report", lambda *_: proxy.add(Kind.RESET))  # after the first mask
            done = export(project, out)
        assert done.exit_code == 1, done.output
        assert "same command goes on" in done.stderr
        assert [path.name for path in (out / "masks").iterdir()] == ["a.png"]
        proxy.heal()
        done = export(project, out)
    assert done.exit_code == 0, done.output
    assert len(rows(out)) == 4


def test_an_image_that_comes_meanwhile_has_its_own_name(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Told apart from one of the same name, like any other."""
    pages = LabelStudio.pages

    def before(client: LabelStudio, number: int, filters: Query, *more: Any, **named: Any) -> Iterator[Task]:
        found = pages(client, number, filters, *more, **named)
        return found if filters else islice(found, 2)

    monkeypatch.setattr(LabelStudio, "pages", before)
    done = export(project, tmp_path)
    assert done.exit_code == 0, done.output
    second = project.tasks["a.png"][1]
    assert rows(tmp_path)[str(second)]["file"] == f"a-{second}.png"


def test_a_cancelled_export_of_the_page_leaves_no_files(project: Project) -> None:
    """Of which nobody would know; a killed one goes on from them."""
    context = open_context(project.id)
    progress = Progress(context.redis, project.id, "to be cancelled", "export")
    context.redis.sadd(context.keys.cancelled, "to be cancelled")
    work = context.settings.model_dir.resolve() / f"cache/export-{project.id}"
    work.mkdir(parents=True)
    with pytest.raises(CancelledError):
        export_archive(context, progress, MaskFormat.PNG)
    assert not work.exists()


def test_what_cannot_be_exported_is_said(stack: Stack, project: Project, tmp_path: Path) -> None:
    """An unknown project, and one with neither label nor model."""
    unknown = Project(999_999, {}, {}, project.config)
    done = export(unknown, tmp_path / "unknown")
    assert done.exit_code == 2
    body = {"title": "Empty", "label_config": CONFIG}
    number = int(stack.http.post("/api/projects", json=body).raise_for_status().json()["id"])
    done = export(Project(number, {}, {}, project.config), tmp_path / "empty")
    assert done.exit_code == 2
    assert "no mask to export" in done.stderr
    assert not (tmp_path / "empty").exists()


def test_the_status_page_gives_the_same_as_a_zip_file(stack: Stack, project: Project) -> None:
    where = f"/projects/{project.id}"
    assert stack.web.get(f"{where}/masks.zip").status_code == 404
    refused = stack.web.post(f"{where}/export", json={"format": "jpeg"})
    assert refused.status_code == 400
    job = stack.web.post(f"{where}/export", json={"format": "tiff"}).raise_for_status().json()["job"]
    states = (stack.web.get(f"{where}/jobs/{job}").json() for _ in iter(int, 1))
    state = stack.wait(lambda: (s := next(states))["state"] in ("finished", "failed") and s, "the export")
    assert state["state"] == "finished", state
    page = stack.web.get(where, headers={"Accept": "text/html"}).text
    assert f'href="{where}/masks.zip"' in page
    answer = stack.web.get(f"{where}/masks.zip").raise_for_status()
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert archive.testzip() is None
        names = {name.partition("/")[2] for name in archive.namelist()}
    assert {"index.csv", "masks/a.tif", "masks/classes.json", "images/a.png", "model/model.json"} <= names
    assert not any(name.startswith(".") for name in names)
    # The next one takes its place.
    job = stack.web.post(f"{where}/export").raise_for_status().json()["job"]
    stack.wait(lambda: stack.web.get(f"{where}/jobs/{job}").json()["state"] == "finished", "the next export")
    folder = stack.settings.model_dir / f"projects/{project.id}/export"
    assert len(list(folder.glob("*.zip"))) == 1
    assert not list((stack.settings.model_dir / "cache").glob("export-*"))
