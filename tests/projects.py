"""Projects that the whole service works on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from backend.labelstudio.labels.config import parse
from backend.labelstudio.labels.regions import from_mask
from backend.project.connection import configure, instance_here, own_service
from backend.queue import connection as connections
from backend.queue import pending_work
from backend.queue.project_jobs import cancel
from tests.annotator import Annotator
from tests.cells import CONFIG, CellProject, Cells
from tests.stack import Stack


def new_project(
    stack: Stack, cells: Cells, count: int = 12, title: str = "Cells", config: str = CONFIG, labelled: int = 0
) -> CellProject:
    """A project with tasks for that many of the images, the first ones `labelled`; it is not connected."""
    http, pool = stack.http, cells.pool
    body = {"title": title, "label_config": config, "maximum_annotations": 1, "show_collab_predictions": True}
    project = int(http.post("/api/projects", json=body).raise_for_status().json()["id"])
    stack.server.share_folder(project, cells.folder)
    tasks: list[dict[str, Any]] = [
        {"data": {"image": stack.server.address(cells.folder / name)}} for name in pool.ids[:count]
    ]
    for task, name in zip(tasks[:labelled], pool.ids, strict=False):
        task["annotations"] = [{"result": from_mask(pool.labels[name], parse(config)), "lead_time": 1}]
    http.post(f"/api/projects/{project}/import", json=tasks).raise_for_status()
    found = {int(task["id"]): task["data"]["image"].rsplit("/", 1)[1] for task in stack.client.tasks(project)}
    return CellProject(project, pool, found, config, cells.folder)


@pytest.fixture(scope="module")
def make_project(stack: Stack, cells: Cells) -> Iterator[Callable[..., CellProject]]:
    """Make a project with tasks for the images.

    It is gone after the file's tests: the service looks at every project all the time.
    """
    made: list[CellProject] = []

    def make(*arguments: Any, cells: Cells = cells, **options: Any) -> CellProject:
        made.append(new_project(stack, cells, *arguments, **options))
        return made[-1]

    yield make
    for project in made:
        cancel(project.id)
        pending_work.forget(connections.connection(), project.id)
        stack.http.delete(f"/api/projects/{project.id}")


@pytest.fixture(scope="session")
def trained(stack: Stack, large_cells: Cells) -> CellProject:
    """A project with a model that has learnt from three labels, and an order by it;
    tests share it, so what one labels stays labelled."""
    made = new_project(stack, large_cells, title="Trained")
    own = own_service(stack.settings, instance_here(stack.settings))
    configure(stack.settings, stack.client, made.id, own)
    stack.wait_for_round(made.id, cold=True)
    Annotator(stack, stack.server.admin).label(made, 3)
    stack.wait_for_round(made.id)
    return made
