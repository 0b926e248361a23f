"""A real Label Studio starts unattended and gives both kinds of key."""

import os
from pathlib import Path

import httpx
import numpy as np
import pytest
from PIL import Image

from backend.demo.server import Account, LabelStudioServer
from backend.errors import ProcessError
from backend.run.processes import alive
from tests.accounts import create_personal_token, create_user

CONFIG = (
    '<View><Image name="image" value="$image"/><BrushLabels name="b" toName="image"><Label'
    ' value="Axon"/></BrushLabels></View>'
)


def test_users_and_keys(label_studio: LabelStudioServer) -> None:
    """The administrator's token works at once;
    other users and personal access tokens can be made without a browser."""
    ben = create_user(label_studio, "ben@example.com")
    for account in (label_studio.admin, ben):
        answer = httpx.get(
            f"{label_studio.url}/api/current-user/whoami",
            headers={"Authorization": f"Token {account.token}"},
            timeout=60,
        )
        assert answer.json()["email"] == account.email
    refresh = create_personal_token(label_studio, ben)
    access = httpx.post(
        f"{label_studio.url}/api/token/refresh/", json={"refresh": refresh}, timeout=60
    ).json()["access"]
    answer = httpx.get(
        f"{label_studio.url}/api/current-user/whoami",
        headers={"Authorization": f"Bearer {access}"},
        timeout=60,
    )
    assert answer.json()["email"] == ben.email


def test_a_folder_is_shown_to_a_project(label_studio: LabelStudioServer) -> None:
    """An image file below `files` is served to those who may see the project."""
    folder = label_studio.files / "shown"
    folder.mkdir()
    Image.fromarray(np.zeros((40, 50), np.uint8)).save(folder / "a 1.png")
    client = httpx.Client(
        base_url=label_studio.url, headers={"Authorization": f"Token {label_studio.token}"}, timeout=60
    )
    project = client.post("/api/projects", json={"title": "shown", "label_config": CONFIG}).json()["id"]
    label_studio.share_folder(project, folder)
    answer = client.get(label_studio.address(folder / "a 1.png"))
    assert answer.status_code == 200
    assert answer.content == (folder / "a 1.png").read_bytes()


def test_no_process_is_left(label_studio: LabelStudioServer) -> None:
    """What `pids` names is alive while it runs: the keeper and the server."""
    assert len(label_studio.pids) >= 2
    assert all(alive(pid) for pid in label_studio.pids)
    assert os.getpid() not in label_studio.pids


def test_a_missing_environment_says_what_builds_it(tmp_path: Path) -> None:
    """Nothing is created for a server that cannot start."""
    server = LabelStudioServer(
        tmp_path / "data", Account("a@example.com", "p", "t" * 20), program=tmp_path / "label-studio"
    )
    with pytest.raises(ProcessError, match="make setup"):
        server.start()
    assert not (tmp_path / "data").exists()
