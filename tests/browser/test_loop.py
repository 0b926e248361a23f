"""The gate:
an annotator at work while new orders are written loses nothing, and Label Studio refuses nothing.

They draw with the mouse. What was saved is compared pixel by pixel with what was offered and drawn.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest

from backend.queue.enqueue import enqueue_rollback, enqueue_round
from backend.queue.follow import follow
from tests.accounts import create_user
from tests.annotator import Annotator
from tests.browser.chromium import Browser, wait
from tests.browser.labelling_page import (
    LabellingPage,
    Line,
    Mask,
    RequestLog,
    across,
    around,
    covered,
    marked,
)
from tests.cells import CellProject, Cells
from tests.stack import Stack, connect, order, quiet, recompute
from tests.states import read_status

pytestmark = pytest.mark.timeout(900)
BUDGET = 2
"""Of the stack's projects."""
ADDED: Line = ((40, 470), (240, 470), (240, 400))
"""Drawn onto the model's region, (x, y) in pixels of the image."""
NEW: Line = ((300, 480), (470, 480))
"""Drawn as a region of its own."""
CHANGED: Line = ((300, 440), (470, 440))
"""Drawn onto a label that is submitted already."""
RUBBED_ABOVE = 360
"""Rows in which nothing else is drawn."""
Order = Callable[[Stack, CellProject], None]


@pytest.fixture(scope="module")
def project(stack: Stack, make_project: Callable[..., CellProject], large_cells: Cells) -> CellProject:
    """Its model is v2, with v1 behind it."""
    made = make_project(12, "Loop", cells=large_cells)
    connect(stack, made)
    stack.wait_for_round(made.id, cold=True)
    other = Annotator(stack, create_user(stack.server, f"other-{time.time_ns()}@example.com"))
    other.label(made, 3)
    first = stack.wait_for_round(made.id)
    other.label(made, 2)  # the batch
    stack.wait_for_round(made.id, other_than=first["round"]["name"])
    return made


@pytest.fixture(scope="module")
def annotator(stack: Stack) -> Annotator:
    return Annotator(stack, create_user(stack.server, f"ada-{time.time_ns()}@example.com"))


@pytest.fixture(scope="module")
def signed_in(browser: Browser, stack: Stack, project: CellProject, annotator: Annotator) -> LabellingPage:
    page = LabellingPage(browser, stack.server, annotator.account, project.id)
    page.sign_in()
    return page


@pytest.fixture
def page(stack: Stack, signed_in: LabellingPage) -> Iterator[LabellingPage]:
    """The page with the task that "Label All Tasks" opened; Label Studio refuses none of its requests."""
    log = RequestLog(stack.server)
    signed_in.label_all_tasks()
    yield signed_in
    assert log.refused() == []
    assert signed_in.errors == []


def a_round(stack: Stack, project: CellProject) -> None:
    """With a training before it, as when labels have come."""
    stack.wait_for_order(project, lambda: enqueue_round(project.id, "test", train=True))


def rollback(stack: Stack, project: CellProject) -> None:
    """To the first version, whose masks are others."""
    quiet(stack, project)
    last = list(follow(project.id, enqueue_rollback(project.id, "v1")))[-1]
    assert last["state"] == "finished", last


def top_up(stack: Stack, project: CellProject) -> None:
    """Images are added, which get a place and a mask in the order in force."""
    image = stack.server.address(project.folder / project.pool.ids[0])
    before = set(stack.client.task_ids(project.id))
    stack.http.post(
        f"/api/projects/{project.id}/import", json=[{"data": {"image": image}}] * 4
    ).raise_for_status()
    new = set(stack.client.task_ids(project.id)) - before
    stack.wait(lambda: new <= set(order(stack, project)), "a place for the new tasks")
    stack.wait(lambda: all(any(mask.any() for mask in _offered(stack, task)) for task in new), "their masks")


@pytest.mark.parametrize("new_order", [a_round, rollback, top_up])
def test_saved_although_a_new_order_came(
    stack: Stack, project: CellProject, annotator: Annotator, page: LabellingPage, new_order: Order
) -> None:
    """Open, draw, a new order meanwhile, rub out, draw on, submit:
    all that was offered and changed is saved, and the next image comes."""
    task = page.task
    offered = _offered(stack, task)
    wait(page.browser, lambda _: len(page.regions) == 1, "the model's region")
    rubbed = across(page.drawn(offered[0].shape)[:RUBBED_ABOVE])
    page.select_region()
    page.draw(ADDED)
    new_order(stack, project)
    page.choose_tool("eraser")
    page.draw(rubbed)
    page.choose_label("Cell")
    page.choose_tool("brush-tool")
    page.draw(NEW)
    assert page.submit() != task
    saved = _saved(annotator, task)
    assert covered(saved, ADDED) == covered(saved, NEW) == 1.0
    assert covered(saved, rubbed) == 0.0
    elsewhere = ~around(ADDED) & ~around(NEW) & ~around(rubbed)
    assert any((saved[elsewhere] == mask[elsewhere]).all() for mask in offered)


def test_changed_after_submit(
    stack: Stack, project: CellProject, annotator: Annotator, page: LabellingPage
) -> None:
    """Go back to what was submitted, draw on, and press Update, although an order came meanwhile."""
    task = page.task
    page.choose_label("Cell")
    page.draw(NEW)
    page.submit()
    assert page.go_back() == task
    page.select_region(len(page.regions) - 1)
    page.draw(CHANGED)
    recompute(stack, project)
    page.update()
    saved = _saved(annotator, task)
    assert covered(saved, NEW) == covered(saved, CHANGED) == 1.0


def test_skip_and_label_on(
    stack: Stack, project: CellProject, annotator: Annotator, page: LabellingPage
) -> None:
    """Skip, although an order came since the image was opened; skip and postpone others of the new batch;
    label on: the next order comes by itself, and what was drawn on the postponed image is there.
    """
    quiet(stack, project)
    recompute(stack, project)
    skipped = [page.task]
    page.skip()
    state = read_status(project.id)
    assert page.task in [task["task"] for task in state["next_tasks"] if task["in_batch"]]
    skipped.append(page.task)
    page.skip()
    postponed = page.task
    page.choose_label("Cell")
    page.draw(NEW)
    page.postpone()
    labelled = []
    for _ in range(BUDGET):
        labelled.append(page.task)
        page.choose_label("Cell")
        page.draw(NEW)
        page.submit()
    stack.wait_for_round(project.id, other_than=state["round"]["name"])
    while page.task != postponed:
        page.go_back()
    page.submit()
    labelled.append(postponed)
    assert page.label_all_tasks() not in skipped + labelled
    for task in labelled:
        assert covered(_saved(annotator, task), NEW) == 1.0


def _offered(stack: Stack, task: int) -> list[Mask]:
    """The masks that the page may show: the model's, and of an order that came when it was just open."""
    predictions = stack.http.get("/api/predictions/", params={"task": task}).raise_for_status().json()
    return [marked(item["result"]) for item in predictions]


def _saved(annotator: Annotator, task: int) -> Mask:
    """The mask of the only annotation."""
    (annotation,) = annotator.http.get(f"/api/tasks/{task}/").raise_for_status().json()["annotations"]
    return marked(annotation["result"])
