"""The add-on inside the real Label Studio:
who sees it, who may run it, what it answers, and that nothing else changes by it."""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest

from backend.demo.server import PROGRAM, LabelStudioServer
from backend.labelstudio.connect import OwnService, configure
from backend.queue import project_jobs
from backend.queue.connection import connection
from backend.queue.pending_work import Work
from tests.annotator import Annotator
from tests.cells import CONFIG, CellProject
from tests.stack import Stack
from tests.waiting import PATIENCE

ACTION = "recompute_queries"


def make(annotator: Annotator, title: str = "Addon") -> int:
    """A project of theirs, without tasks."""
    body = {"title": title, "label_config": CONFIG}
    return int(annotator.http.post("/api/projects", json=body).raise_for_status().json()["id"])


def listed(annotator: Annotator, project: int) -> dict[str, Any]:
    """The item in the menu, as Label Studio tells its page."""
    (item,) = [
        item
        for item in annotator.http.get(f"/api/dm/actions?project={project}").raise_for_status().json()
        if item["id"] == ACTION
    ]
    return dict(item)


def form(annotator: Annotator, project: int) -> list[dict[str, Any]]:
    """The fields of the dialog."""
    rows = annotator.http.get(f"/api/dm/actions/{ACTION}/form?project={project}").raise_for_status().json()
    return [field for row in rows for field in row["fields"]]


def run(annotator: Annotator, project: int, **fields: Any) -> httpx.Response:
    """Press OK: Label Studio's page sends what is selected, and the form's values as text."""
    body = {"project": str(project), "selectedItems": {"all": False, "included": []}, **fields}
    return annotator.http.post(f"/api/dm/actions?id={ACTION}&project={project}", json=body)


@pytest.fixture
def owner(stack: Stack) -> Annotator:
    """The organization's owner: the first user of the server."""
    return Annotator(stack, stack.server.admin)


def test_for_the_creator_and_the_owner_only(
    stack: Stack, owner: Annotator, annotators: list[Annotator]
) -> None:
    """Both may;
    another member sees a grey item and is refused with the names of those who may, and nothing is started."""
    creator, member = annotators
    project = make(creator)
    configure(stack.client, project, OwnService(stack.settings.own_url, stack.settings.basic_auth))
    budget, strategy, *options = form(creator, project)
    candidates = next(option for option in options if option["name"] == "option_candidates")
    assert (candidates["value"], candidates["min"], candidates["max"]) == (3, 1, 1000)
    mutual = next(option for option in options if option["name"] == "option_mutual")
    assert (mutual["value"], mutual["options"]) == ("", ["", "false", "true"])  # each strategy has its own
    assert (budget["value"], budget["min"], budget["max"]) == (2, 1, 1000)
    assert strategy["value"] == "task_dependent"
    assert {"random", "trusted"} <= set(strategy["options"])
    stack.wait(lambda: stack.web.get(f"/projects/{project}/status").json()["round"], "the first order")

    assert (listed(member, project)["disabled"], form(member, project)) == (True, [])
    refused = run(member, project)
    assert refused.status_code == 403
    assert creator.account.email in refused.json()["detail"]
    assert owner.account.email in refused.json()["detail"]
    assert stack.web.get(f"/projects/{project}/status").json()["round"]["reason"] == "the first order"

    for allowed in (creator, owner):
        assert listed(allowed, project)["disabled"] is False
        chosen = {"option_candidates": "2", "option_true_masks": "true", "option_mutual": ""}
        started = run(allowed, project, budget="4", strategy="random", **chosen)
        assert started.status_code == 202, started.text
        assert started.json()["page"] == f"{stack.settings.own_url}/projects/{project}"
        assert started.json()["job"] in started.json()["detail"]
    stack.wait(
        lambda: stack.web.get(f"/projects/{project}/status").json()["round"]["budget"] == 4,
        "a round of that budget",
    )
    stack.wait(
        lambda: not project_jobs.active(connection(), project, Work.ROUND),
        "its end, or the next would be the same",
    )
    assert run(creator, project).status_code == 202
    stack.wait(
        lambda: stack.web.get(f"/projects/{project}/status").json()["round"]["budget"] == 2,
        "a round of the project's budget again",
    )

    for fields, words in (
        ({"budget": "0"}, "budget"),
        ({"budget": "x"}, "'x'"),
        ({"strategy": "best"}, "task_dependent"),
        ({"option_candidates": "0"}, "candidates"),
    ):
        wrong = run(creator, project, **fields)
        assert (wrong.status_code, words in wrong.json()["detail"]) == (400, True), wrong.text


class OtherBackend(ThreadingHTTPServer):
    """Any other ML backend: it is healthy, and answers everything else as it is told to."""

    answer: tuple[int, bytes] = (404, b"<h1>Not Found</h1>")

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answers)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def stop(self) -> None:
        self.shutdown()
        self.server_close()


class _Answers(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.do_POST()

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        assert isinstance(self.server, OtherBackend)
        status, body = (
            (200, b'{"status": "UP", "model_version": "1"}')
            if "/projects/" not in self.path
            else self.server.answer
        )
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        del format, args


@pytest.fixture
def other() -> Iterator[OtherBackend]:
    backend = OtherBackend()
    yield backend
    backend.stop()


def test_each_obstacle_is_one_sentence(stack: Stack, owner: Annotator, other: OtherBackend) -> None:
    """None, another program, a wrong password, a service in trouble, nobody at the address;
    with ours connected too, ours is asked."""
    project = make(owner)
    answer = run(owner, project)
    assert (answer.status_code, "No ML backend" in answer.json()["detail"]) == (409, True)
    owner.http.post(
        "/api/ml", json={"project": project, "url": other.url, "title": "other"}
    ).raise_for_status()
    for status, body, words in (
        (404, b"<h1>Not Found</h1>", "does not know recomputes (it answered 404)"),
        (200, b'{"budget": 5}', "Started"),  # whatever it means by it
        (401, b'{"message": "Found a wrong user or password"}', "does not accept the user and password"),
        (503, b'{"message": "Redis does not answer; try again."}', "Redis does not answer; try again."),
        (500, b"Internal Server Error", "does not know recomputes (it answered 500)"),
    ):
        other.answer = (status, body)
        answer = run(owner, project, budget="3")
        assert words in answer.json()["detail"], answer.text
        assert answer.status_code in (202, 424)
    other.answer = (404, b"")
    configure(stack.client, project, OwnService(stack.settings.own_url, stack.settings.basic_auth))
    assert [field["name"] for field in form(owner, project)][:2] == ["budget", "strategy"]
    assert run(owner, project).status_code == 202

    dead = make(owner)
    owner.http.post("/api/ml", json={"project": dead, "url": other.url, "title": "other"}).raise_for_status()
    other.stop()
    answer = run(owner, dead)
    assert answer.status_code == 424
    assert other.url in answer.json()["detail"]
    assert form(owner, dead) == []


INSIDE = """
import os
import threading
import core.wsgi  # as uwsgi does in Label Studio's image
from django.apps import apps
from django.conf import settings
from django.contrib.sessions.models import Session
from django.core.management import call_command
from django.db import OperationalError, transaction
from django.utils import timezone

both = threading.Barrier(2)
outcomes = []  # two threads that print may write into one line

def look_and_write():
    try:
        with transaction.atomic():
            Session.objects.count()
            try:
                both.wait({seconds})
            except threading.BrokenBarrierError:
                pass  # the other one waits outside
            Session.objects.filter(session_key="nobody's").update(expire_date=timezone.now())
        outcomes.append("written")
    except OperationalError as error:
        outcomes.append(str(error))

writers = [threading.Thread(target=look_and_write) for _ in range(2)]
for writer in writers:
    writer.start()
for writer in writers:
    writer.join()
print(*outcomes, sep="\\n")

assert settings.SETTINGS_MODULE == os.environ["DJANGO_SETTINGS_MODULE"]
assert "recompute_queries" in settings.DATA_MANAGER_ACTIONS
call_command("migrate", check_unapplied=True, verbosity=0)
call_command("makemigrations", "recompute_queries", check_changes=True, dry_run=True, verbosity=0)
import data_manager.actions
del data_manager.actions.register_action  # another version of Label Studio
apps.get_app_config("recompute_queries").ready()
print("went on")
"""


@pytest.mark.parametrize(
    ("module", "other", "seconds"), [("settings", "database is locked", 60), ("sqlite", "written", 1)]
)
def test_the_rest_of_label_studio_is_as_before(
    label_studio: LabelStudioServer, module: str, other: str, seconds: int
) -> None:
    """Its other commands work, no migration is asked for;
    where its inside is another one, it goes on with a warning.

    Writers on SQLite may wait for each other,
    where Label Studio's own settings answer 500 to one of two who look and then write.
    """
    environment = {
        **os.environ,
        **label_studio.program().environment,
        "DJANGO_SETTINGS_MODULE": f"recompute_queries.{module}",
    }
    (inside,) = PROGRAM.parents[1].glob("lib/python3*/site-packages/label_studio")
    done = subprocess.run(
        [PROGRAM.with_name("python"), "-c", INSIDE.format(seconds=seconds)],
        cwd=inside,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[-1] == "went on"
    outcomes = [line for line in lines if line in ("written", "database is locked")]
    # With its own settings both may be refused, where the server that other tests use writes meanwhile.
    assert len(outcomes) == 2
    assert other in outcomes
    assert set(outcomes) <= {"written", other}
    assert "'Recompute queries' is not" in done.stderr + done.stdout


def test_two_who_press_at_the_same_moment(
    make_project: Callable[..., CellProject], annotators: list[Annotator]
) -> None:
    """On SQLite, too, each gets a task of their own, six times of six;
    Label Studio by itself gives both the same every other time."""
    project = make_project(12)
    moment = threading.Barrier(2, timeout=PATIENCE)

    def press(annotator: Annotator) -> list[int]:
        served = []
        for _ in range(6):
            moment.wait()
            task = annotator.next(project.id)
            assert task is not None
            served.append(task["id"])
            moment.wait()
            annotator.submit(task["id"], [])
        return served

    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(press, annotators)
    assert sorted(first + second) == sorted(project.names)
