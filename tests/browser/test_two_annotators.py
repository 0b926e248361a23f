"""The gate for two:
on PostgreSQL, where Label Studio's locks are exact, two annotators at work never have the same image open."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from backend.demo.server import Account
from tests.accounts import create_user
from tests.annotator import Annotator
from tests.browser.chromium import Browser, chromium
from tests.browser.labelling_page import LabellingPage, Line, RequestLog, covered, marked
from tests.cells import CellProject, copy_cells
from tests.postgres import LabelStudioOnPostgres, running_postgres
from tests.projects import new_project
from tests.stack import Stack, connect, recompute, running_stack

pytestmark = pytest.mark.timeout(900)
STROKES: list[Line] = [((40, 470), (240, 470)), ((300, 40), (300, 300), (420, 300))]
"""What the first and the second annotator draw, (x, y) in pixels of the image."""


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The service, against a Label Studio on PostgreSQL as in the compose file."""
    with running_postgres() as postgres:
        admin = Account("admin@example.com", secrets.token_urlsafe(12), secrets.token_hex(20))
        folder = tmp_path_factory.mktemp("on-postgres")
        server = LabelStudioOnPostgres(postgres, folder / "label-studio", admin)
        server.start()
        try:
            with running_stack(server, folder / "service") as everything:
                yield everything
        finally:
            server.stop()


@pytest.fixture(scope="module")
def project(stack: Stack, shared_data: Path) -> CellProject:
    """In the order of the start."""
    made = new_project(stack, copy_cells(shared_data, stack.server, reduced=1), 12, "Two")
    connect(stack, made)
    stack.wait_for_round(made.id, cold=True)
    return made


@pytest.fixture
def pages(
    browser: Browser, stack: Stack, project: CellProject, tmp_path: Path
) -> Iterator[list[LabellingPage]]:
    """Two annotators, each in a browser of their own and logged in."""
    with chromium(tmp_path) as second:
        found = [
            LabellingPage(
                each,
                stack.server,
                create_user(stack.server, f"{name}-{time.time_ns()}@example.com"),
                project.id,
            )
            for name, each in (("ada", browser), ("ben", second))
        ]
        at_once(found, LabellingPage.sign_in)
        yield found


def at_once(pages: list[LabellingPage], do: Callable[[LabellingPage], object]) -> None:
    """Both do it at the same moment."""
    with ThreadPoolExecutor(len(pages)) as pool:
        list(pool.map(do, pages))


def test_never_the_same_image(stack: Stack, project: CellProject, pages: list[LabellingPage]) -> None:
    """Both open, draw, submit and skip, together and one alone, while new orders come:
    all is saved for whom drew it, nothing twice."""
    log = RequestLog(stack.server)
    ada, ben = pages
    done: dict[int, tuple[LabellingPage, Line]] = {}

    def draw(page: LabellingPage) -> None:
        line = STROKES[pages.index(page)]
        page.choose_label("Cell")
        page.draw(line)
        done[page.task] = (page, line)

    def differ() -> None:
        assert ada.task != ben.task
        assert not {ada.task, ben.task} & set(done)

    at_once(pages, LabellingPage.label_all_tasks)
    differ()
    at_once(pages, draw)
    recompute(stack, project)
    at_once(pages, LabellingPage.submit)
    differ()
    held = ada.task  # Ada has hers open, first in each order, while Ben goes on alone
    draw(ada)
    ben.skip()
    assert ben.task != held
    draw(ben)
    recompute(stack, project)
    ben.submit()
    assert ben.task != held
    assert ben.label_all_tasks() != held
    ada.submit()
    differ()

    for task, (page, line) in done.items():
        http = Annotator(stack, page.account).http
        (annotation,) = http.get(f"/api/tasks/{task}/").raise_for_status().json()["annotations"]
        author = http.get("/api/current-user/whoami").raise_for_status().json()["id"]
        assert annotation["completed_by"]["id"] == author
        assert covered(marked(annotation["result"]), line) == 1.0
    assert (log.refused(), ada.errors, ben.errors) == ([], [], [])
