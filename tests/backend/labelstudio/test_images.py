"""Tests of where a task's image comes from, with a real Label Studio."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import httpx
import pytest

from backend.demo.server import LabelStudioServer
from backend.errors import TaskImageError
from backend.labelstudio.client import LabelStudio
from backend.labelstudio.images import fetch
from backend.labelstudio.labels.config import EXAMPLE, parse
from tests.backend.labelstudio.conftest import MakeProject
from tests.backend.labelstudio.image_tasks import png, task
from tests.web_server import web_server

CONFIG = parse(EXAMPLE)


@pytest.fixture(scope="module")
def keys(label_studio: LabelStudioServer, personal_key: str) -> list[LabelStudio]:
    """A client of each kind of key."""
    return [LabelStudio(label_studio.url, key) for key in (label_studio.token, personal_key)]


def test_uploads_are_fetched_with_either_key(
    client: LabelStudio,
    keys: list[LabelStudio],
    http: httpx.Client,
    make_project: MakeProject,
    tmp_path: Path,
) -> None:
    project = make_project()
    http.post(
        f"/api/projects/{project.id}/import", files={"file": ("cell one.png", png(1), "image/png")}
    ).raise_for_status()
    [uploaded] = client.tasks(project.id)
    assert uploaded["data"]["image"].startswith("/data/upload/")
    for number, key in enumerate(keys):
        assert fetch(key, uploaded, CONFIG, tmp_path / str(number)) == png(1)
    # Without /data, as exports have it.
    assert fetch(client, task(uploaded["data"]["image"].removeprefix("/data/")), CONFIG, tmp_path) == png(1)


def test_local_files_are_fetched_and_kept(
    client: LabelStudio,
    keys: list[LabelStudio],
    label_studio: LabelStudioServer,
    make_project: MakeProject,
    tmp_path: Path,
) -> None:
    folder = label_studio.files / "room"
    folder.mkdir()
    (folder / "a.png").write_bytes(png(2))
    project = make_project()
    label_studio.share_folder(project.id, folder)
    local = task(label_studio.address(folder / "a.png"))
    for number, key in enumerate(keys):
        assert fetch(key, local, CONFIG, tmp_path / str(number)) == png(2)
    (folder / "a.png").write_bytes(png(3))
    assert fetch(client, local, CONFIG, tmp_path / "0") == png(2)
    assert fetch(client, local, CONFIG, tmp_path / "0", max_age=0) == png(3)
    (folder / "a.png").unlink()
    with pytest.raises(TaskImageError, match=r"^task 5: .*local file"):
        fetch(client, local, CONFIG, tmp_path, max_age=0)


def test_images_that_are_gone_or_no_images_name_the_task(client: LabelStudio, tmp_path: Path) -> None:
    with pytest.raises(TaskImageError, match=r"^task 5: .*restore the file"):
        fetch(client, task("/data/upload/1/none.png"), CONFIG, tmp_path)
    with pytest.raises(TaskImageError, match=r"^task 5: .*127\.0\.0\.1:9/a\.png does not answer"):
        fetch(
            LabelStudio(client.url, "0123456789", attempts=1),
            task("http://127.0.0.1:9/a.png"),
            CONFIG,
            tmp_path,
        )
    with pytest.raises(TaskImageError, match=r"^task 5: .*'C:\\\\a\.png' is no address"):
        fetch(client, task("C:\\a.png"), CONFIG, tmp_path)
    with pytest.raises(TaskImageError, match=r"^task 5: .*\[bad/a\.png' is no address"):
        fetch(client, task("http://[bad/a.png"), CONFIG, tmp_path)
    with pytest.raises(TaskImageError, match=r"^task 5: .*InvalidURL"):
        fetch(client, task("http://host:port/a.png"), CONFIG, tmp_path)
    with pytest.raises(TaskImageError, match=r"'image' \(found: photo\)"):
        fetch(client, {"id": 5, "data": {"photo": "/a.png"}}, CONFIG, tmp_path)
    for wrong in (None, 7, "", ["a.png"]):
        with pytest.raises(TaskImageError, match=r"^task 5: .*no image address"):
            fetch(client, task(wrong), CONFIG, tmp_path)
    with pytest.raises(TaskImageError, match=r"^task 5"):
        fetch(client, {"id": 5}, CONFIG, tmp_path)
    assert not any(tmp_path.iterdir())


def test_images_written_into_the_data_are_read(client: LabelStudio, tmp_path: Path) -> None:
    inline = "data:image/png;base64," + base64.b64encode(png(4)).decode()
    assert fetch(client, task(inline), CONFIG, tmp_path) == png(4)
    with pytest.raises(TaskImageError, match="not readable"):
        fetch(client, task("data:image/png;base64,%%%"), CONFIG, tmp_path)


def test_the_key_goes_to_label_studio_only(client: LabelStudio, stub_backend: Any, tmp_path: Path) -> None:
    fetch(client, task(f"{stub_backend.url}/a.png"), CONFIG, tmp_path)
    assert [(path, auth) for path, auth, _ in stub_backend.calls] == [("/a.png", None)]


def test_another_server_that_wants_a_password_does_not_blame_the_key(
    client: LabelStudio, tmp_path: Path
) -> None:
    with web_server(lambda _: (401, {}, b"")) as port, pytest.raises(TaskImageError, match="answered 401"):
        fetch(client, task(f"http://127.0.0.1:{port}/cell.png"), CONFIG, tmp_path)


def test_a_server_that_answers_nonsense_is_named(client: LabelStudio, tmp_path: Path) -> None:
    """It leads in a circle, or says gzip and sends something else: one image less, and the others go on."""
    answers = {
        "/circle.png": (302, {"Location": "/circle.png"}, b""),
        "/broken.png": (200, {"Content-Encoding": "gzip"}, b"gzip"),
    }
    with web_server(answers.get) as port:
        for path, reason in (("/circle.png", "TooManyRedirects"), ("/broken.png", "DecodingError")):
            with pytest.raises(TaskImageError, match=rf"^task 5: .*{path} .*{reason}"):
                fetch(client, task(f"http://127.0.0.1:{port}{path}"), CONFIG, tmp_path)


def test_files_uploaded_before_the_configuration_are_found(
    client: LabelStudio, stub_backend: Any, tmp_path: Path
) -> None:
    assert fetch(client, {"id": 5, "data": {"$undefined$": f"{stub_backend.url}/b.png"}}, CONFIG, tmp_path)
