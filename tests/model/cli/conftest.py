"""Real images for the commands."""

import shutil
from pathlib import Path

import pytest

from model.cli import rank
from model.data.pool import scan
from model.export.folder import ExportFolder
from model.export.formats import encode_image
from tests.model.cli.commands import labelled_set


@pytest.fixture(autouse=True)
def home_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a command keeps goes into a folder of the test's own."""
    monkeypatch.setattr(rank, "CACHE", tmp_path / "cache")
    monkeypatch.setenv("COLUMNS", "300")


@pytest.fixture
def folder(shared_data: Path, tmp_path: Path, brief_training: None) -> Path:
    """Eight real images, three of them with a mask."""
    del brief_training
    source = shared_data / "usiigaci_t98g"
    names = sorted(path.name for path in (source / "images").iterdir())[:8]
    for kind, some in (("images", names), ("masks", names[:3])):
        (tmp_path / kind).mkdir()
        for name in some:
            shutil.copy(source / kind / name, tmp_path / kind / name)
    return tmp_path


@pytest.fixture
def experiment_data(shared_data: Path, tmp_path: Path) -> Path:
    """Seven real images with masks, five of them in the pool of split.json."""
    return labelled_set(shared_data / "dsb2018", tmp_path / "data")


@pytest.fixture
def exported_data(experiment_data: Path, shared_data: Path, tmp_path: Path) -> Path:
    """The same as an export writes it, with an eighth image that is not labelled."""
    pool = scan(experiment_data / "images", experiment_data / "masks")
    images = shared_data / "dsb2018" / "images"
    with ExportFolder(tmp_path / "exported", {"what": "a test"}, ["nucleus"]) as folder:
        for path in sorted(images.iterdir())[:8]:
            image = encode_image(path.read_bytes(), path.name)
            mask = pool.labels.get(path.name)
            folder.add(path.name, path.stem, mask, fingerprint="", folder="masks", row={}, image=image)
        folder.finish()
    shutil.copy(experiment_data / "split.json", folder.path)
    return folder.path
