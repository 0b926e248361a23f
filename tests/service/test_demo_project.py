"""The demo's project in a real Label Studio."""

from dataclasses import replace
from pathlib import Path

import httpx
import numpy as np
import pytest
from PIL import Image

from backend.demo import demo, generator, pictures, state
from backend.demo.project import DemoProject
from backend.demo.server import LabelStudioServer
from backend.errors import SettingsError
from backend.labelstudio.client import LabelStudio
from backend.labelstudio.images import fetch
from backend.labelstudio.labels.annotations import chosen
from backend.labelstudio.labels.config import parse
from backend.labelstudio.labels.regions import to_mask
from backend.project.project_status import Defaults, Images, Labels, ProjectStatus


def test_made_once_and_labelled_exactly(label_studio: LabelStudioServer, tmp_path: Path) -> None:
    """A second run takes up the project, adds no task and no label;
    what is stored is the mask, pixel for pixel; images are served."""
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
        np.testing.assert_array_equal(
            to_mask(annotation["result"], config, (64, 64)), shown.pool.labels[name]
        )
        assert client.download(task["data"]["image"]) == shown.files[name].read_bytes()


def test_images_of_ones_own_beside_the_generated_ones(
    label_studio: LabelStudioServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """They become a project of their own, those with masks are labelled, and a file that is no image is named
    and left out."""
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


def test_images_with_signs_in_their_names_are_all_shown(
    label_studio: LabelStudioServer, tmp_path: Path
) -> None:
    """Signs that mean something else in an address, as Label Studio's own synced storage writes them;
    an earlier edition's tasks stay."""
    names = ["a#1", "b+c", "d&e=f", "g%20h", "100%", "i j", "k;l", "m?n", "ö ü", "tilde~(1)'", "x"]
    images, masks = tmp_path / "my images", tmp_path / "masks"
    for folder in (images, masks):
        folder.mkdir()
    for name, sample in zip(names, generator.generate(len(names), size=64, seed=9), strict=True):
        Image.fromarray(sample.image).save(images / f"{name}.png")
        Image.fromarray(sample.mask * np.uint8(255)).save(masks / f"{name}.png")
    client = LabelStudio(label_studio.url, label_studio.token)
    shown = pictures.from_folders(images, masks, label_studio.files)
    project = DemoProject(label_studio, client, shown)
    project.ensure(None)
    config = parse(client.project(project.id).label_config)

    def served(tasks: dict[str, int]) -> dict[str, bool]:
        listed = {int(task["id"]): task for task in client.tasks(project.id)}
        return {
            name: fetch(client, listed[task], config, tmp_path) == shown.files[name].read_bytes()
            for name, task in tasks.items()
        }

    early = shown.files["i j.png"].relative_to(label_studio.files)
    headers = {"Authorization": f"Token {label_studio.token}"}
    task = {"data": {"image": f"/data/local-files/?d={early}"}}
    with httpx.Client(base_url=label_studio.url, headers=headers, timeout=60) as http:
        http.post(f"/api/projects/{project.id}/import", json=[task]).raise_for_status()
    tasks = project.add_tasks()
    assert served(tasks) == {f"{name}.png": True for name in names}
    assert project.add_tasks() == tasks
    assert client.count(project.id) == len(names)

    other = DemoProject(label_studio, client, shown)
    other.ensure(None)
    with httpx.Client(base_url=label_studio.url, headers=headers, timeout=60) as http:
        (storage,) = (
            http.get("/api/storages/localfiles", params={"project": other.id}).raise_for_status().json()
        )
        http.post(f"/api/storages/localfiles/{storage['id']}/sync").raise_for_status()
    synced = list(client.tasks(other.id))
    wanted = sorted(path.read_bytes() for path in shown.files.values())
    assert sorted(fetch(client, task, config, tmp_path) for task in synced) == wanted
    ours = {label_studio.url + label_studio.address(path) for path in shown.files.values()}
    assert {str(value) for task in synced for value in task["data"].values()} == ours


def test_labels_that_are_not_learnt_from_are_said_loudly() -> None:
    """Also when the work came to its end; what waits to be trained is not lost."""
    new = ProjectStatus(1, "Cells", Images(3, 3), Defaults(5, "task_dependent"))
    state = replace(new, labels=Labels(trained=1), warnings=("task 5: its image is gone",))
    assert demo.lost_labels(state, 3) == [
        "3 images are labelled, and the model was trained on 1 of them.",
        "task 5: its image is gone",
    ]
    assert demo.lost_labels(replace(state, labels=Labels(1, 2)), 3) == []
    assert demo.lost_labels(replace(state, labels=Labels(3)), 3) == []


def test_a_typo_in_recipe_is_told_before_anything_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And not by the training, after the labels."""
    monkeypatch.setenv("RECIPE", '{"stepps": 60}')
    with pytest.raises(SettingsError, match="RECIPE: Unknown recipe settings stepps"):
        demo.run(demo.Options(tmp_path / "demo"))
    assert not (tmp_path / "demo").exists()


def test_a_deleted_project_is_made_anew(label_studio: LabelStudioServer, tmp_path: Path) -> None:
    """Whoever deletes the project gets a new one at the next run."""
    project = DemoProject(
        label_studio,
        LabelStudio(label_studio.url, label_studio.token),
        pictures.generated(tmp_path, label_studio.files, 6, 64, 1),
    )
    assert project.ensure(999_999)
    assert project.id != 999_999
