"""The demo's project in Label Studio:
made once, filled with tasks, its first images labelled from known masks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import unquote
from xml.sax.saxutils import quoteattr

import httpx

from backend.demo.pictures import Pictures
from backend.demo.server import LabelStudioServer
from backend.labelstudio.client import LabelStudio
from backend.labelstudio.http.answers import Task
from backend.labelstudio.labels.config import LabelConfig, parse
from backend.labelstudio.labels.regions import from_mask

COLOURS = ("#ff5d3c", "#2f9be0", "#3fb36c", "#c46be0", "#e0b02f", "#e0669f")
_SECONDS = 60.0


def label_config(labels: Sequence[str]) -> str:
    """A configuration with a brush, an eraser, and contrast and zoom controls, which faint images need."""
    brushes = "".join(
        f"<Label value={quoteattr(label)} background={quoteattr(COLOURS[index % len(COLOURS)])}/>"
        for index, label in enumerate(labels)
    )
    image = (
        '<Image name="image" value="$image" zoom="true" zoomControl="true" brightnessControl="true"'
        ' contrastControl="true"/>'
    )
    return f'<View>{image}<BrushLabels name="labels" toName="image">{brushes}</BrushLabels></View>'


class DemoProject:
    """A project for pictures;
    every step looks first at what is there, so that a second run repeats nothing."""

    def __init__(self, server: LabelStudioServer, client: LabelStudio, pictures: Pictures) -> None:
        self.server = server
        self.client = client
        self.pictures = pictures
        self.id = 0
        self._config: LabelConfig = parse(label_config(pictures.labels))
        self._http = httpx.Client(
            base_url=server.url, headers={"Authorization": f"Token {server.token}"}, timeout=_SECONDS
        )

    def ensure(self, known: int | None) -> bool:
        """Take the project of the last run if it still is there, else make one; tells whether it was made."""
        if known is not None and self._http.get(f"/api/projects/{known}").status_code == 200:
            self.id = known
            return False
        body = {
            "title": (
                f"Axons, {len(self.pictures.files)} images"
                if self.pictures.labels == ("Axon",)
                else "Own images"
            ),
            "label_config": label_config(self.pictures.labels),
            "maximum_annotations": 1,
            "show_collab_predictions": True,
        }
        self.id = int(self._post("/api/projects", body)["id"])
        folder = next(iter(self.pictures.files.values())).parent
        self.server.share_folder(self.id, folder)
        return True

    def add_tasks(self) -> dict[str, int]:
        """Add a task for each image that has none; returns image name to task id."""
        addresses = {name: self.server.address(path) for name, path in self.pictures.files.items()}
        found = self._named(addresses)
        missing = [address for name, address in addresses.items() if name not in found]
        if missing:
            self._post(
                f"/api/projects/{self.id}/import", [{"data": {"image": address}} for address in missing]
            )
        return self._named(addresses)

    def _named(self, addresses: dict[str, str]) -> dict[str, int]:
        """The tasks that show these images, by their names;
        also those of an earlier edition, which wrote paths as they are."""
        known = {address: name for name, address in addresses.items()}
        known |= {
            bare: name
            for name, address in addresses.items()
            if not set(bare := unquote(address)) & set("#&+%;")
        }
        tasks = [(known.get(str(task["data"].get("image"))), int(task["id"])) for task in self._tasks()]
        return {name: task for name, task in tasks if name is not None}

    def label(self, names: Sequence[str], tasks: dict[str, int], tick: Callable[[int, int], None]) -> int:
        """Submit the known masks of these images, where nothing is submitted yet;
        returns how many tasks of the project have labels."""
        labelled = set(self.client.task_ids(self.id, only="labelled"))
        if not labelled:
            for done, name in enumerate(names):
                tick(done, len(names))
                drawn = from_mask(self.pictures.pool.labels[name], self._config)
                regions = [region | {"origin": "manual"} for region in drawn]  # no model has drawn them
                # A task's lead time is what the annotator needed; nobody needed any.
                self._post(f"/api/tasks/{tasks[name]}/annotations", {"result": regions, "lead_time": 0})
                labelled.add(tasks[name])
        return len(labelled)

    def _tasks(self) -> list[Task]:
        return list(self.client.tasks(self.id))

    def _post(self, path: str, body: Any) -> Any:
        return self._http.post(path, json=body).raise_for_status().json()
