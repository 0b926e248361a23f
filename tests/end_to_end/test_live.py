"""The live loop, in a real Label Studio: each submitted label brings masks and an order, without a U-Net;
and the U-Net that is trained behind it draws the masks once it is better."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from backend.doctor.model import check_model
from backend.labelstudio.order import priorities
from backend.queue import pending_work, progress
from backend.queue.connection import CONTROL, Keys, connection
from backend.queue.lease import Fence
from backend.queue.pending_work import Work
from tests.annotator import Annotator, no_training
from tests.cells import CellProject
from tests.stack import Stack, connect, order
from tests.states import list_versions, read_status
from tests.waiting import PATIENCE

MakeProject = Callable[..., CellProject]
pytestmark = pytest.mark.timeout(900)


@pytest.fixture(scope="module")
def live(stack: Stack, make_project: MakeProject) -> CellProject:
    """A project without labels whose first order is written."""
    project = make_project(12, title="Live")
    connect(stack, project)
    stack.configure(project, live=True, folds=2, budget=2)
    stack.wait_for_round(project.id, cold=True)
    return project


def test_each_label_brings_masks_and_an_order(
    stack: Stack, live: CellProject, annotators: list[Annotator]
) -> None:
    """From the first one on. What another annotator has open stays theirs, and is submitted.
    A worker that is killed in a turn loses nothing: the next one takes it."""
    ada, ben = annotators
    with no_training(live.id):
        first = ada.next(live.id)
        assert first is not None
        ada.submit(first["id"], live.regions(first["id"]))
        state = stack.wait_for_round(live.id)
        assert (state["version"]["kind"], state["version"]["labels"]) == ("pixel", 1)
        assert first["id"] not in order(stack, live)
        opened = ben.next(live.id)
        assert opened is not None
        assert opened["id"] == order(stack, live)[0]
        shown = opened["predictions"][0]
        assert shown["result"]

        fence = Fence(connection(), Keys(live.id).fence("round"))
        assert fence.take(wait=PATIENCE)
        with fence:
            second = ada.next(live.id)
            assert second is not None
            ada.submit(second["id"], live.regions(second["id"]))
            stack.wait(lambda: live_turns(live), "a live turn")
            stack.kill_worker(CONTROL)
        stack.presume_dead(CONTROL)
        state = stack.wait_for_round(live.id, other_than=state["round"]["name"])
        assert state["version"]["labels"] == 2
        assert list_versions(live.id)["versions"][-1]["name"] == "v2"  # learnt once

        body = {"result": live.regions(opened["id"]), "lead_time": 1, "parent_prediction": shown["id"]}
        ben.http.post(f"/api/tasks/{opened['id']}/annotations/", json=body).raise_for_status()
        state = stack.wait_for_round(live.id, other_than=state["round"]["name"])
        assert opened["id"] not in order(stack, live)
        assert all(version["kind"] == "pixel" for version in list_versions(live.id)["versions"])


def live_turns(project: CellProject) -> list[str]:
    """The live turns that run."""
    running = progress.running(connection(), project.id)
    return [entry["job"] for entry in running if entry["kind"] == Work.LIVE]


def test_the_u_net_is_trained_behind_it(stack: Stack, live: CellProject) -> None:
    """Which of the two draws the masks is told with figures; the order waits for neither."""

    def compared() -> bool:
        kinds = {version["kind"] for version in list_versions(live.id)["versions"]}
        wanted = pending_work.pending(connection(), live.id, Work.LIVE).outstanding
        return kinds == {"pixel", "unet"} and not wanted and not live_turns(live)

    stack.wait(compared, "a U-Net")
    state = stack.wait(
        lambda: (now := read_status(live.id))["version"]["name"] == now["round"]["version"] and now,
        "the masks of the version in use",
    )
    noun = {"pixel": "pixel classifier", "unet": "U-Net"}
    assert state["version"]["choice"].startswith(f"The {noun[state['version']['kind']]} draws ")
    assert "same 3 images" in state["version"]["choice"]
    page = stack.web.get(f"/projects/{live.id}", headers={"Accept": "text/html"}).raise_for_status().text
    assert state["version"]["choice"] in page
    (found,) = check_model(stack.settings, live.id)
    assert state["version"]["choice"] in found.text
    served = priorities.next_tasks(stack.client, live.id, 1)[0]
    drawn = stack.client.task_predictions(served.task_id)
    assert next(item.regions for item in drawn if item.model_version == state["round"]["name"])
