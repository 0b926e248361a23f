"""What commands say of a folder of images and masks."""

from pathlib import Path

import pytest

from model.cli.terminal import describe_pool
from model.data.pool import scan
from tests.model.data.noise import put_image, put_mask


def test_each_file_that_is_left_out_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """By every command that reads a folder."""
    for name in ("a.png", "b.png"):
        put_image(tmp_path / "images", name)
        put_mask(tmp_path / "masks", name)
    put_mask(tmp_path / "masks", "orphan.png")
    (tmp_path / "images" / "b.png").write_bytes(b"")
    describe_pool(scan(tmp_path / "images", tmp_path / "masks"))
    said = capsys.readouterr().err
    assert said.count("Left out: ") == 2
    assert "orphan.png" in said
    assert "b.png" in said
