"""Another version put in use, back and forward, in a real Label Studio:
masks change, the order does not, and nothing is half-switched."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from backend.cli import app
from backend.errors import CancelledError, UnreachableError
from backend.jobs import rollback
from backend.jobs.masks.pre_annotation import PreAnnotator
from backend.jobs.rollback import Request
from backend.labelstudio.client import LabelStudio
from backend.labelstudio.labels.config import parse
from backend.labelstudio.order import priorities
from backend.labelstudio.order.rounds import Priority
from backend.project.context import Context, open_context
from backend.project.version_list import plan_rollback
from backend.queue.enqueue import enqueue_rollback, enqueue_round, enqueue_training
from backend.queue.follow import JobState, follow
from backend.queue.job_result import JobResult
from backend.queue.lease import Fence
from backend.queue.progress import Progress
from backend.store.version_history import ROLLBACK, TRAINING
from tests.accounts import create_user
from tests.annotator import Annotator
from tests.cells import CONFIG, CellProject
from tests.documents import README, page
from tests.shell import shell
from tests.stack import RECIPE, Stack, connect, quiet
from tests.states import read_status

pytestmark = pytest.mark.timeout(900)
Mask = list[list[int]]


@pytest.fixture(scope="module")
def project(stack: Stack, make_project: Callable[..., CellProject]) -> CellProject:
    """Its model is v2, trained on five labels, with v1, on three of them, behind it;
    the order in force shows masks of v2."""
    made = make_project(9, "Versions")
    connect(stack, made)
    stack.wait_for_round(made.id, cold=True)
    annotator = Annotator(stack, create_user(stack.server, f"versions-{time.time_ns()}@example.com"))
    annotator.label(made, 3)
    first = stack.wait_for_round(made.id)
    assert first["version"]["name"] == "v1"
    annotator.label(made, 2)  # the batch
    second = stack.wait_for_round(made.id, other_than=first["round"]["name"])
    assert second["version"]["name"] == second["round"]["version"] == "v2"
    quiet(stack, made)
    return made


def order(stack: Stack, project: CellProject) -> list[Priority]:
    """What annotators are served, with the scores."""
    return priorities.order(stack.client, project.id)


def masks(stack: Stack, project: CellProject) -> dict[int, Mask]:
    """What the open tasks show, by task: the regions of the predictions in force;
    each task has exactly one."""
    version = stack.client.project(project.id).model_version
    found: dict[int, Mask] = {}
    for place in order(stack, project):
        items = stack.http.get("/api/predictions/", params={"task": place.task_id}).raise_for_status().json()
        [item] = [each for each in items if each["model_version"] == version]
        found[place.task_id] = [region["value"]["rle"] for region in item["result"]]
    return found


def drawn_by(stack: Stack, project: CellProject, version: str) -> dict[int, Mask]:
    """What a version itself draws on the open tasks."""
    context = open_context(project.id)
    annotator = PreAnnotator(
        context.versions.load(version), context.versions.record(version).labels, parse(CONFIG)
    )
    found = {}
    for place in order(stack, project):
        image = (project.folder / project.names[place.task_id]).read_bytes()
        found[place.task_id] = [region["value"]["rle"] for region in annotator.regions(image, "image")]
    return found


def roll(project: CellProject, version: str, **words: str) -> JobState:
    """Roll back and wait; returns the last look at the job."""
    return list(follow(project.id, enqueue_rollback(project.id, version, **words)))[-1]


def test_back_and_forward(stack: Stack, project: CellProject) -> None:
    """The masks on show, /setup and /predict are the chosen version's at once; the order stays;
    and the way back is the same command."""
    places, of_two = order(stack, project), masks(stack, project)
    assert of_two == drawn_by(stack, project, "v2")
    before = read_status(project.id)

    last = roll(project, "v1", reason="v2 draws the background", who="ada")
    assert (last["state"], read_status(project.id)["version"]["name"]) == ("finished", "v1")
    for part in ("v1 is in use", "the order stays", "4 of the 4 images"):
        assert part in last["message"]
    assert order(stack, project) == places
    of_one = masks(stack, project)
    assert of_one == drawn_by(stack, project, "v1") != of_two
    state = read_status(project.id)
    assert state["round"]["name"].startswith("v1.r")
    assert stack.client.versions(project.id)[state["round"]["name"]] == len(places)
    assert state["next_tasks"] == before["next_tasks"]
    task = stack.client.task(places[0].task_id)
    body = {"tasks": [task], "project": f"{project.id}.1", "label_config": CONFIG, "params": {}}
    [served] = stack.web.post("/predict", json=body).raise_for_status().json()["results"]
    assert (served["model_version"], served["score"]) == ("v1", pytest.approx(places[0].score))
    assert [region["value"]["rle"] for region in served["result"]] == of_one[places[0].task_id]

    assert "in use already" in roll(project, "v1")["message"]
    assert read_status(project.id)["round"] == state["round"]
    trained = list(follow(project.id, enqueue_training(project.id)))[-1]
    # Nothing new was learnt: it would only undo the rollback.
    assert "same labels as v2" in trained["message"]
    assert read_status(project.id)["version"]["name"] == "v1"

    assert roll(project, "v2")["state"] == "finished"
    assert (order(stack, project), masks(stack, project)) == (places, of_two)
    uses = open_context(project.id).versions.uses.all()
    assert [(use.version, use.by, use.before) for use in uses] == [
        ("v1", TRAINING, None),
        ("v2", TRAINING, "v1"),
        ("v1", ROLLBACK, "v2"),
        ("v2", ROLLBACK, "v1"),
    ]
    assert (uses[2].who, uses[2].reason) == ("ada", "v2 draws the background")


def test_in_the_middle_of_a_round(stack: Stack, project: CellProject) -> None:
    """The round of the other version stops at once, and begins anew with the one that was chosen;
    nobody has to ask for it again."""
    before = read_status(project.id)["round"]["name"]
    stack.configure(project, recipe={**RECIPE, "row_steps": 1_000_000})  # it does not end by itself
    asked = enqueue_round(project.id, "test")

    def in_a_row() -> bool:
        running = read_status(project.id)["running"]
        return bool(running and running["rows_total"])

    stack.wait(in_a_row, "a row")
    assert plan_rollback(project.id, "v1").stops_round
    stack.configure(project)
    assert roll(project, "v1")["state"] == "finished"
    assert list(follow(project.id, asked))[-1]["state"] == "cancelled"
    later = stack.wait_for_round(project.id, other_than=before)
    if later["round"]["reason"].startswith("rolled back"):
        later = stack.wait_for_round(project.id, other_than=later["round"]["name"])
    assert later["round"]["version"] == later["version"]["name"] == "v1"
    assert "the rollback to v1" in later["round"]["reason"]
    assert masks(stack, project) == drawn_by(stack, project, "v1")
    quiet(stack, project)


def test_from_the_shell(stack: Stack, project: CellProject) -> None:
    """A model that is damaged: doctor names the command, which puts another version in use."""
    context = open_context(project.id)
    assert context.versions.current() == "v1"
    weights = stack.settings.model_dir / f"projects/{project.id}/versions/v1/weights.safetensors"
    content = weights.read_bytes()
    weights.write_bytes(content[:1000])
    doctor = f"python -m backend doctor --project {project.id} --json"
    try:
        told = json.loads(shell(doctor).stdout)
        [finding] = [each for each in told["projects"][str(project.id)] if each["subject"] == "model"]
        assert finding["severity"] == "error"
        done = shell(finding["remedy"])
        assert done.exit_code == 0, done.output
        assert "v2 is in use" in done.stdout
        told = json.loads(shell(doctor).stdout)
        assert {
            each["severity"]
            for each in told["projects"][str(project.id)]
            if each["subject"] in ("model", "order")
        } == {"ok"}
    finally:
        weights.write_bytes(content)
    table = shell(f"python -m backend versions --project {project.id}").stdout
    assert "* v2" in table
    assert "from v1 to v2" in table


class Broken(LabelStudio):
    """A Label Studio that goes away at one call, and for good."""

    def __init__(self, stack: Stack, at: str) -> None:
        super().__init__(stack.server.url, stack.server.token, attempts=1)
        self.at, self.away, self.token = at, False, stack.server.token

    def import_predictions(self, *arguments: Any, **keywords: Any) -> int:
        done = super().import_predictions(*arguments, **keywords)
        self.go("import")
        return done

    def switch_version(self, *arguments: Any, **keywords: Any) -> None:
        super().switch_version(*arguments, **keywords)
        self.go("switch")

    def go(self, where: str) -> None:
        if where == self.at:
            self.away = True
            super().__init__("http://127.0.0.1:9", self.token, attempts=1)
            raise UnreachableError(f"away at the {where}")


@contextmanager
def nothing_changes(stack: Stack, project: CellProject) -> Iterator[None]:
    """Version, order, masks and predictions are afterwards what they were, within a look's time."""

    def state() -> tuple[Any, ...]:
        return (
            open_context(project.id).versions.current(),
            stack.client.project(project.id).model_version,
            order(stack, project),
            read_status(project.id)["round"],
        )

    before, shown = state(), masks(stack, project)
    yield
    stack.wait(lambda: state() == before, "the state before")
    assert masks(stack, project) == shown


def run(context: Context, version: str, job_id: str) -> JobResult:
    """What the job does, while no look at the project fixes what it finds."""
    progress = Progress(context.redis, context.project_id, job_id, "rollback")
    fence = Fence(context.redis, context.keys.fence("look"))
    assert fence.take(wait=60)
    with fence:
        try:
            return rollback.roll_back(context, progress, Request(version, "test", ""), job_id=job_id)
        finally:
            progress.end()


@pytest.mark.parametrize("at", ["import", "switch"])
def test_label_studio_goes_away_in_between(stack: Stack, project: CellProject, at: str) -> None:
    """Whatever was written by then, the version in use and what annotators see fit together, and are what
    they were."""
    context = open_context(project.id)
    context.client = Broken(stack, at)
    with nothing_changes(stack, project), pytest.raises(UnreachableError):
        run(context, "v1", f"broken-{at}")


def test_cancelled_while_it_draws(stack: Stack, project: CellProject) -> None:
    """Nothing has changed; once the masks are there it is too late."""
    context = open_context(project.id)
    context.redis.sadd(context.keys.cancelled, "cancelled-rollback")
    with nothing_changes(stack, project), pytest.raises(CancelledError):
        run(context, "v1", "cancelled-rollback")


def test_killed_half_way(stack: Stack, project: CellProject) -> None:
    """kill -9 at the worst moments: the second run of the job brings it to its end."""
    context = open_context(project.id)
    places = order(stack, project)
    command = [sys.executable, "-m", "tests.end_to_end.administration.dying"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as dying:
        assert dying.stdin is not None
        assert dying.stdout is not None
        for at in ("imported", "switched"):
            target = "v1" if context.versions.current() == "v2" else "v2"
            job_id = f"killed-{at}"
            dying.stdin.write(f"{project.id} {target} {job_id} {at}\n")
            dying.stdin.flush()
            assert os.WTERMSIG(int(dying.stdout.readline())) == signal.SIGKILL
            assert context.versions.current() != target

            result = run(context, target, job_id)
            assert (result["version"], context.versions.current()) == (target, target)
            assert result["before"] != target
            assert order(stack, project) == places
            assert masks(stack, project) == drawn_by(stack, project, target)
            assert (
                read_status(project.id)["round"]["name"]
                == stack.client.project(project.id).model_version
                == result["round"]
            )
        dying.stdin.close()
    assert run(context, target, "again")["round"] == ""  # in use already
    assert run(context, target, job_id)["round"] == result["round"]  # a third run does no harm
    assert masks(stack, project) == drawn_by(stack, project, target)
    other = "v1" if target == "v2" else "v2"
    assert run(context, other, "killed-imported")["round"] == ""  # others have come since: nothing is undone
    assert context.versions.current() == target


def test_the_commands_of_the_documents_do_what_they_say(
    stack: Stack, project: CellProject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As written, one after the other, with this project's number;
    connect is there twice, and `up` has a test of its own."""
    monkeypatch.chdir(tmp_path)  # where the exported masks come to lie
    context = open_context(project.id)
    versions = len(context.versions.names())
    ran = []
    for command in (*README.commands, *page("commands.md").commands):
        words = shlex.split(
            command.partition(" -m backend ")[2].replace("--project 1", f"--project {project.id}")
        )
        if words and words != ["up"]:
            done = CliRunner().invoke(app, words)
            assert done.exit_code == 0, f"{command}\n{done.output}"
            ran.append(words[0])
            # `connect` ends with the page on which everything is told
            assert words[0] != "connect" or f"/projects/{project.id}\n" in done.output
    assert ran == [
        "connect",
        "connect",
        "status",
        "recompute",
        "train",
        "versions",
        "rollback",
        "unskip",
        "cancel",
        "export",
        "doctor",
    ]
    assert len(context.versions.names()) > versions
    assert context.versions.current() == "v1"
    assert stack.client.project(project.id).model_version.startswith("v1.")
