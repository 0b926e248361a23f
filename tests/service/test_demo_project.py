"""The demo's project in a real Label Studio."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from backend.demo import demo, generator, pictures, state
from backend.demo.project import DemoProject
from backend.demo.server import LabelStudioServer
from backend.labelstudio.annotations import chosen
from backend.labelstudio.client import LabelStudio
from backend.labelstudio.config import parse
from backend.labelstudio.regions import to_mask


def test_made_once_and_labelled_exactly(label_studio: LabelStudioServer, tmp_path: Path) -> None:
    """A second run takes up the project, adds no task and no label; what is stored is the mask, pixel for pixel; images are served."""
    client = LabelStudio(label_studio.url, label_studio.token)
    shown = pictures.generated(tmp_path, label_studio.files, 6, 64, 0)
    names = shown.first(3, 0)
    ids: list[int] = []
    for known in (None, "the last"):
        project = DemoProject(label_studio, client, shown)
        assert project.ensure(ids[-1] if known else None) == (known is None)
        tasks = project.add_tasks()
        assert sorted(tasks) == sorted(shown.files)
        assert project.label(names, tasks, lambda *_: None) == 3
        assert client.count(project.id) == 6
        ids.append(project.id)
    assert ids[0] == ids[1]

    config = parse(client.project(ids[0]).label_config)
    for name in names:
        task = client.task(tasks[name])
        assert task is not None
        annotation = chosen(task)
        assert annotation is not None
        np.testing.assert_array_equal(to_mask(annotation["result"], config, (64, 64)), shown.pool.labels[name])
        assert client.download(task["data"]["image"]) == shown.files[name].read_bytes()


def test_images_of_ones_own_beside_the_generated_ones(
    label_studio: LabelStudioServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """They become a project of their own, those with masks are labelled, and a file that is no image is named and left out."""
    images, masks = tmp_path / "images", tmp_path / "masks"
    images.mkdir()
    masks.mkdir()
    for number, sample in enumerate(generator.generate(5, size=64, seed=9)):
        Image.fromarray(sample.image).save(images / f"own {number}.png")
        if number < 2:
            Image.fromarray(sample.mask * np.uint8(255)).save(masks / f"own {number}.png")
    (images / "broken.png").write_bytes(b"no image")
    client, known = LabelStudio(label_studio.url, label_studio.token), state.load(tmp_path / "demo")
    projects: list[int] = []
    for options in (
        demo.Options(tmp_path, count=6, size=64, seed=2),
        demo.Options(tmp_path, images, masks),
        demo.Options(tmp_path, images, masks),
    ):
        shown = demo.read_pictures(options, label_studio.files)
        project = demo.take_up_project(label_studio, client, shown, known)
        demo.label_first(project, shown, seed=0)
        projects.append(project.id)
    said = capsys.readouterr().out
    assert len(set(projects[:2])) == 2
    assert projects[1] == projects[2]
    assert "left out: " in said
    assert "broken.png" in said
    assert said.count("5 tasks, 2 of them labelled") == 2


def test_a_deleted_project_is_made_anew(label_studio: LabelStudioServer, tmp_path: Path) -> None:
    """Whoever deletes the project gets a new one at the next run."""
    project = DemoProject(
        label_studio, LabelStudio(label_studio.url, label_studio.token), pictures.generated(tmp_path, label_studio.files, 6, 64, 1)
    )
    assert project.ensure(999_999)
    assert project.id != 999_999
