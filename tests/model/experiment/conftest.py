"""A small experiment on images made here."""

import json
from pathlib import Path

import numpy as np
import pytest

from model.data.masks.files import write_mask
from model.experiment import runner
from tests.model.conftest import blobs


@pytest.fixture(scope="package")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Fourteen labelled images, eight of them in the pool."""
    folder = tmp_path_factory.mktemp("data")
    (folder / "images").mkdir()
    (folder / "masks").mkdir()
    for seed in range(14):
        image, mask = blobs(seed, bright=seed % 3 != 2)
        gray = np.clip(image[:, :, 0] * 40 + 120, 0, 255).astype(np.uint8)
        write_mask(folder / "images" / f"{seed:02d}.png", gray)
        write_mask(folder / "masks" / f"{seed:02d}.png", mask, white=True)
    names = [f"{seed:02d}.png" for seed in range(14)]
    (folder / "split.json").write_text(json.dumps({"pool": names[:8], "test": names[8:]}))
    return folder


@pytest.fixture
def without_report(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of an experiment only results.json is written: report and pictures take longer than its networks."""
    monkeypatch.setattr(runner, "write_outputs", lambda *_: None)
