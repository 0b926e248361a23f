"""Folders that other users of the machine cannot read."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from backend.run import service
from backend.run.private_folder import keep_private


def permissions(path: Path) -> str:
    return oct(stat.S_IMODE(path.stat().st_mode))


def test_new_folder_is_for_its_owner(tmp_path: Path) -> None:
    """Whatever the umask says; nothing is said about it."""
    told: list[str] = []
    before = os.umask(0)
    try:
        keep_private(tmp_path / "a" / "models", told.append)
    finally:
        os.umask(before)
    assert (permissions(tmp_path / "a" / "models"), told) == ("0o700", [])


def test_open_folder_is_tightened_with_all_in_it_and_it_is_told(tmp_path: Path) -> None:
    """As an installation of yesterday has left it; what a link leads to is somebody's own, and stays."""
    folder, own = tmp_path / "models", tmp_path / "own.png"
    (folder / "redis").mkdir(parents=True, mode=0o755)
    for path in (folder / "redis" / "appendonly.aof", folder / "program", own):
        path.write_bytes(b"secret")
        path.chmod(0o755 if path.name == "program" else 0o644)
    folder.chmod(0o755)
    (folder / "image.png").symlink_to(own)
    (folder / "broken").symlink_to(tmp_path / "nowhere")
    told: list[str] = []
    keep_private(folder, told.append)
    found = [
        permissions(path)
        for path in (folder, folder / "redis", folder / "redis" / "appendonly.aof", folder / "program", own)
    ]
    assert found == ["0o700", "0o700", "0o600", "0o700", "0o644"]
    assert [str(folder) in text for text in told] == [True]
    keep_private(folder, told.append)
    assert len(told) == 1


def test_link_to_an_open_folder_leads_to_a_tightened_one(tmp_path: Path) -> None:
    folder, link = tmp_path / "disk", tmp_path / "models"
    folder.mkdir()
    folder.chmod(0o755)
    link.symlink_to(folder)
    keep_private(link, lambda _: None)
    assert permissions(folder) == "0o700"


def test_all_that_a_service_writes_is_for_its_owner(tmp_path: Path) -> None:
    """Also by the programs that it starts: Redis' file, Label Studio's database, images."""
    with service.alone(tmp_path / "models"):
        (tmp_path / "models" / "x").write_text("secret")
        (tmp_path / "models" / "folder").mkdir()
    assert [permissions(tmp_path / "models" / name) for name in ("", "x", "folder", "up.lock")] == [
        "0o700",
        "0o600",
        "0o700",
        "0o600",
    ]
