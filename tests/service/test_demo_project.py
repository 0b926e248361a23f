"""The demo's project in a real Label Studio."""

from pathlib import Path

import numpy as np

from backend.demo import pictures
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


def test_a_deleted_project_is_made_anew(label_studio: LabelStudioServer, tmp_path: Path) -> None:
    """Whoever deletes the project gets a new one at the next run."""
    project = DemoProject(
        label_studio, LabelStudio(label_studio.url, label_studio.token), pictures.generated(tmp_path, label_studio.files, 6, 64, 1)
    )
    assert project.ensure(999_999)
    assert project.id != 999_999
