"""A Label Studio under a sub-path, behind a proxy, which workers reach at another address than browsers;
beside it, another application."""

from __future__ import annotations

import base64
import io
import secrets
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image

from backend.demo.server import Account, LabelStudioServer
from backend.errors import TaskImageError
from backend.labelstudio.client import LabelStudio
from backend.labelstudio.images import fetch
from backend.labelstudio.labels.config import EXAMPLE, parse
from backend.run.processes import free_port
from tests.accounts import create_personal_token
from tests.backend.labelstudio.image_tasks import png
from tests.backend.labelstudio.reverse_proxy import ReverseProxy, reverse_proxy
from tests.web_server import web_server

CONFIG = parse(EXAMPLE)


class Hosted(LabelStudioServer):
    """Its LABEL_STUDIO_HOST is the address of a proxy."""

    host = ""

    def environment(self) -> dict[str, str]:
        return super().environment() | {"LABEL_STUDIO_HOST": self.host}


@dataclass
class Lab:
    """The proxy, Label Studio behind it, and a project with one upload and one synced local file."""

    proxy: ReverseProxy
    server: Hosted
    keys: dict[str, str]  # by kind
    project: int = 0
    images: dict[str, dict[str, Any]] = field(default_factory=dict)  # "upload" and "local" to a task

    def clients(self) -> Iterator[tuple[str, LabelStudio]]:
        """A client of each kind of key at each address."""
        for url in (self.proxy.url, self.server.url):
            for kind, key in self.keys.items():
                with closing(LabelStudio(url, key, attempts=2)) as client:
                    yield f"{kind} at {url}", client


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with reverse_proxy() as proxy:
        admin = Account("admin@example.com", secrets.token_urlsafe(12), secrets.token_hex(20))
        server = Hosted(tmp_path_factory.mktemp("hosted"), admin, port=free_port())
        server.host = f"{proxy.url}/"
        proxy.target = server.url
        server.start()
        try:
            found = Lab(proxy, server, {"legacy": server.token, "personal": create_personal_token(server)})
            _fill(found)
            yield found
        finally:
            server.stop()


def _fill(lab: Lab) -> None:
    folder = lab.server.files / "plate 1"
    folder.mkdir(parents=True)
    (folder / "c#1+2 & 50%.png").write_bytes(png(1))
    headers = {"Authorization": f"Token {lab.server.token}"}
    with httpx.Client(base_url=lab.server.url, headers=headers, timeout=60) as http:
        lab.project = (
            http.post("/api/projects", json={"title": "Lab", "label_config": EXAMPLE})
            .raise_for_status()
            .json()["id"]
        )
        upload = {"file": ("cell 1.png", png(2), "image/png")}
        http.post(f"/api/projects/{lab.project}/import", files=upload).raise_for_status()
        storage = {
            "project": lab.project,
            "path": str(folder),
            "use_blob_urls": True,
            "regex_filter": ".*png",
        }
        made = http.post("/api/storages/localfiles", json=storage).raise_for_status().json()["id"]
        http.post(f"/api/storages/localfiles/{made}/sync").raise_for_status()
    with closing(LabelStudio(lab.server.url, lab.server.token)) as client:
        for task in client.tasks(lab.project):
            lab.images["local" if "local-files" in str(task["data"]) else "upload"] = dict(task)


def test_a_synced_storage_and_uploads_are_read_wherever_label_studio_is_reached(
    lab: Lab, tmp_path: Path
) -> None:
    """The tasks hold the address of browsers, or a path with its sub-path;
    workers ask at LABEL_STUDIO_URL, with the key."""
    where = {kind: next(iter(task["data"].values())) for kind, task in lab.images.items()}
    assert where["local"].startswith(f"{lab.proxy.url}/data/local-files/")
    assert where["upload"].startswith("/ls/data/upload/")
    for number, (name, client) in enumerate(lab.clients()):
        assert client.user()["email"] == lab.server.admin.email, name
        assert fetch(client, lab.images["local"], CONFIG, tmp_path / str(number)) == png(1), name
        assert fetch(client, lab.images["upload"], CONFIG, tmp_path / str(number)) == png(2), name
        for old in (
            where["upload"].removeprefix("/ls"),
            where["upload"].removeprefix("/ls/data/"),
            lab.proxy.root + where["upload"],
        ):
            assert fetch(
                client, {"id": 5, "data": {"image": old}}, CONFIG, tmp_path / f"{number}-old"
            ) == png(2), (name, old)
    assert lab.proxy.leaks == []


def test_the_key_stays_below_label_studio_s_address(lab: Lab, tmp_path: Path, stub_backend: Any) -> None:
    """Not beside the sub-path, nor at another port, host or scheme, also where Label Studio redirects
    there."""
    name = "/ls/data/upload/1/moved.png"
    port = lab.proxy.port
    beside = [
        "/other/x.png",
        f"http://localhost:{port}/other/x.png",
        f"https://127.0.0.1:{port}/ls/x.png",
        f"{stub_backend.url}/x.png",
    ]
    for client in (LabelStudio(lab.proxy.url, key, attempts=1) for key in lab.keys.values()):
        for target in [
            *beside,
            f"{lab.proxy.root}/ls/%2e%2e/other/x.png",
            f"{lab.proxy.root}/ls/../other/x.png",
        ]:
            lab.proxy.redirects = {name: target}
            for where in (name, target):
                with suppress(TaskImageError):
                    fetch(client, {"id": 5, "data": {"image": where}}, CONFIG, tmp_path)
        lab.proxy.redirects = {}
    assert lab.proxy.leaks == []
    assert {auth for _, auth, _ in stub_backend.calls} == {None}
    assert any("other" in path for path in lab.proxy.strangers)


def test_what_cannot_be_fetched_is_not_to_be_deleted(lab: Lab, tmp_path: Path) -> None:
    """A log-in page is no image;
    an unknown name of this server is asked about, with the setting that tells it."""
    client = LabelStudio(lab.server.url, lab.server.token, attempts=1)
    messages = []
    with web_server(lambda _: (200, {}, b"<!DOCTYPE html><title>Log in</title>")) as port:
        for where in (
            f"http://127.0.0.1:{port}/ls/data/upload/1/x.png",
            "/ls/data/upload/1/none.png",
            "/data/local-files/?d=none.png",
        ):
            with pytest.raises(TaskImageError) as caught:
                fetch(client, {"id": 5, "data": {"image": where}}, CONFIG, tmp_path)
            messages.append(str(caught.value))
    for part in (f"http://127.0.0.1:{port}/ls ", "LABEL_STUDIO_PUBLIC_URL", "web page"):
        assert part in messages[0]
    assert "restore the file" in messages[1]
    assert "no such local file" in messages[2]
    assert not any(word in message for message in messages for word in ("delete", "remove"))
    told = LabelStudio(
        lab.server.url, lab.server.token, public_url=f"http://127.0.0.1:{port}/ls/", attempts=1
    )
    upload = next(iter(lab.images["upload"]["data"].values()))
    assert fetch(
        told, {"id": 5, "data": {"image": f"http://127.0.0.1:{port}{upload}"}}, CONFIG, tmp_path
    ) == png(2)


def test_bmp_and_webp_uploads_are_read(lab: Lab, tmp_path: Path) -> None:
    """Label Studio takes and shows them."""
    from model.data.images.reading import decode_raw

    headers = {"Authorization": f"Token {lab.server.token}"}
    pixels = np.random.default_rng(3).integers(0, 255, (48, 64, 3), dtype=np.uint8)
    with httpx.Client(base_url=lab.server.url, headers=headers, timeout=60) as http:
        project = (
            http.post("/api/projects", json={"title": "Formats", "label_config": EXAMPLE})
            .raise_for_status()
            .json()["id"]
        )
        for kind in ("bmp", "webp"):
            stream = io.BytesIO()
            Image.fromarray(pixels).save(stream, kind, **({"lossless": True} if kind == "webp" else {}))
            upload = {"file": (f"cell.{kind}", stream.getvalue(), f"image/{kind}")}
            http.post(f"/api/projects/{project}/import", files=upload).raise_for_status()
    with closing(LabelStudio(lab.server.url, lab.server.token)) as client:
        tasks = list(client.tasks(project))
        assert len(tasks) == 2
        for task in tasks:
            np.testing.assert_array_equal(decode_raw(fetch(client, task, CONFIG, tmp_path), "x"), pixels)


def test_inline_images_need_no_server(tmp_path: Path) -> None:
    client = LabelStudio("http://127.0.0.1:9", "0" * 40, attempts=1)
    inline = "data:image/png;base64," + base64.b64encode(png(4)).decode()
    assert fetch(client, {"id": 5, "data": {"image": inline}}, CONFIG, tmp_path) == png(4)
