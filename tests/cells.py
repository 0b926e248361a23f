"""Real images of cells with their true masks, and projects of them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest
from PIL import Image

from backend.demo.server import LabelStudioServer
from backend.labelstudio.http.answers import Region
from backend.labelstudio.labels.config import parse
from backend.labelstudio.labels.regions import from_mask
from model.data.pool import Pool, scan

CONFIG = (
    '<View><Image name="image" value="$image"/><BrushLabels name="labels" toName="image"><Label'
    ' value="Cell"/></BrushLabels></View>'
)


@dataclass
class CellProject:
    """A project of phase-contrast images of cells whose true masks are known."""

    id: int
    pool: Pool
    names: dict[int, str]  # task id to file name
    config: str = CONFIG
    folder: Path = Path()  # of its images

    def regions(self, task: int) -> list[Region]:
        """The true mask of a task as an annotator would draw it."""
        return from_mask(self.pool.labels[self.names[task]], parse(self.config))


@dataclass(frozen=True)
class Cells:
    """Images and masks of cells, in a folder where Label Studio can show them."""

    folder: Path
    pool: Pool


def copy_cells(shared_data: Path, label_studio: LabelStudioServer, *, reduced: int) -> Cells:
    """Twelve of them, 512 x 512 pixels, or a fraction of that."""
    folder = label_studio.files / f"cells-{reduced}"
    for kind, resampling in (("images", Image.Resampling.BOX), ("masks", Image.Resampling.NEAREST)):
        (folder / kind).mkdir(parents=True)
        for path in sorted((shared_data / "usiigaci_t98g" / kind).iterdir())[:12]:
            with Image.open(path) as image:
                size = (image.width // reduced, image.height // reduced)
                image.resize(size, resampling).save(folder / kind / path.name)
    return Cells(folder / "images", scan(folder / "images", folder / "masks"))


@pytest.fixture(scope="session")
def cells(shared_data: Path, label_studio: LabelStudioServer) -> Cells:
    """Small ones: Label Studio and the service handle their masks in a sixteenth of the time."""
    return copy_cells(shared_data, label_studio, reduced=4)


@pytest.fixture(scope="session")
def large_cells(shared_data: Path, label_studio: LabelStudioServer) -> Cells:
    """For who draws on them with the mouse, or looks at them."""
    return copy_cells(shared_data, label_studio, reduced=1)
