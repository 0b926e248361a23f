"""Workers, web server and Label Studio go away, and a person cancels, while a round is under way in a real
Label Studio."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import httpx
import pytest
from rq.job import Job

from backend.jobs import due_work
from backend.queue import enqueue, pending_work, progress
from backend.queue.connection import Keys, connection
from backend.queue.enqueue import enqueue_round
from backend.queue.follow import follow
from backend.queue.lease import Fence
from backend.queue.pending_work import Work
from backend.queue.project_jobs import FINISH, UNIT, WAITING, cancel, find
from tests.annotator import Annotator
from tests.cells import CellProject
from tests.holding import enqueue_hold, release
from tests.stack import RECIPE, Stack, connect, order, quiet
from tests.states import list_versions, read_status

MakeProject = Callable[..., CellProject]
pytestmark = pytest.mark.timeout(900)
LONG, ENDLESS = 200, 1_000_000
"""Steps of a round's networks: seconds of each, and more than anybody waits for."""
STARVED_SECONDS = 600.0
"""What a round of LONG networks may take: its worker gives way to all else that runs on the machine."""


@pytest.fixture(scope="module")
def project(stack: Stack, make_project: MakeProject) -> CellProject:
    """A project that has a model and an order."""
    made = make_project(12)
    connect(stack, made)
    stack.wait_for_round(made.id, cold=True)
    Annotator(stack, stack.server.admin).label(made, 3)
    stack.wait_for_round(made.id)
    return made


@pytest.fixture
def ranked(stack: Stack, project: CellProject) -> Iterator[CellProject]:
    """The project, in which nothing goes on;
    a test may ask for what it likes, and leaves nothing of it to the next, also if it fails."""
    set_row_steps(stack, project, RECIPE["row_steps"])
    quiet(stack, project)
    yield project
    cancel(project.id)
    pending_work.resume(connection(), project.id)


def set_row_steps(stack: Stack, project: CellProject, row_steps: int) -> None:
    """Have the networks of the rounds that begin from now on take so many steps."""
    stack.configure(project, recipe={**RECIPE, "row_steps": row_steps})


@contextmanager
def held_round(stack: Stack, project: CellProject) -> Iterator[str]:
    """A round that has looked at labels and tasks; its networks are trained, and its order is written, after
    the block. Yields the id of its job."""
    redis = connection()
    before = enqueue_hold(redis)  # so that the next two jobs stand one behind the other
    job = enqueue_round(project.id, "test")
    behind = enqueue_hold(redis)
    release(redis, before)
    try:
        stack.wait(lambda: find(redis, project.id, FINISH, WAITING), "the networks to be enqueued")
        yield job
    finally:
        release(redis, behind)


def wait_for_a_row(stack: Stack, project: CellProject) -> None:
    """Wait until endless networks of a round are trained."""

    def in_a_row() -> bool:
        running = read_status(project.id)["running"]
        return bool(running and running["step"] == "Networks trained")

    stack.wait(in_a_row, "a row")


def test_a_killed_worker_s_round_goes_on(stack: Stack, ranked: CellProject) -> None:
    """kill -9 in the middle of a row:
    another worker takes it up, what was done stays done, and the order comes.

    The round takes the place of another one, which stops before it writes anything.
    """
    before = read_status(ranked.id)
    set_row_steps(stack, ranked, ENDLESS)
    superseded = enqueue_round(ranked.id, "test")
    wait_for_a_row(stack, ranked)
    set_row_steps(stack, ranked, LONG)
    enqueue_round(ranked.id, "test", train=True)
    last = list(follow(ranked.id, superseded))[-1]
    assert last["state"] == "cancelled"
    assert "superseded" in last["message"]
    assert read_status(ranked.id)["round"] == before["round"]
    stack.wait(
        lambda: [each for each in progress.running(connection(), ranked.id) if each["kind"] == UNIT],
        "a network under way",
    )
    stack.kill_worker()
    stack.presume_dead()
    state = stack.wait_for_round(ranked.id, other_than=before["round"]["name"], seconds=STARVED_SECONDS)
    trained = int(state["version"]["name"][1:])
    assert trained == int(before["version"]["name"][1:]) + 1  # the training was done and is not repeated
    assert order(stack, ranked) == [task["task"] for task in state["next_tasks"]]


def test_a_cancelled_round_stops_and_the_order_stays(stack: Stack, ranked: CellProject) -> None:
    """Every job of it ends and none begins again by itself;
    the order in force is served as before, and the status says what happened."""
    set_row_steps(stack, ranked, ENDLESS)
    Annotator(stack, stack.server.admin).label(ranked, 2)  # the batch: a round begins
    wait_for_a_row(stack, ranked)
    before, served = read_status(ranked.id), order(stack, ranked)
    cancelled = stack.web.post(f"/projects/{ranked.id}/cancel").raise_for_status().json()["jobs"]
    ended = {job: list(follow(ranked.id, job))[-1]["state"] for job in cancelled}
    # Those that take less than a second may come to their end.
    short = ("look-", "configure-")
    assert {state for job, state in ended.items() if not job.startswith(short)} == {"cancelled"}, ended
    connection().hdel(Keys(ranked.id).info, "looked")  # or it would find that nothing has changed
    assert list(follow(ranked.id, enqueue.enqueue_sync(ranked.id)))[-1]["state"] == "finished"
    assert not pending_work.pending(connection(), ranked.id, Work.ROUND).outstanding
    stack.wait(
        lambda: not read_status(ranked.id)["running"] and not read_status(ranked.id)["waiting"],
        "everything to stop",
    )
    state = read_status(ranked.id)
    unchanged = ("round", "version", "next_tasks", "last_error")
    assert {name: state[name] for name in unchanged} == {name: before[name] for name in unchanged}
    assert order(stack, ranked) == served
    assert [warning for warning in state["warnings"] if "Cancelled by a person" in warning]

    set_row_steps(stack, ranked, RECIPE["row_steps"])
    again = list(follow(ranked.id, enqueue_round(ranked.id, "test")))[-1]
    assert again["state"] == "finished"
    assert not read_status(ranked.id)["warnings"]


def test_labels_submitted_while_the_web_server_is_dead_are_found(stack: Stack, ranked: CellProject) -> None:
    """It is killed, comes back by itself, and what was submitted meanwhile is trained on."""
    before = read_status(ranked.id)
    stack.kill("web")
    annotator = Annotator(stack, stack.server.admin)
    task = annotator.next(ranked.id)
    assert task is not None
    with pytest.raises(httpx.TransportError):
        stack.web.get("/health")
    annotator.submit(task["id"], ranked.regions(task["id"]))
    stack.sync(ranked)
    stack.wait(
        lambda: read_status(ranked.id)["version"]["labels"] == before["version"]["labels"] + 1,
        "a training on the label",
    )
    stack.wait(stack.service.healthy, "the web server to answer again")
    assert task["id"] not in [each["task"] for each in read_status(ranked.id)["next_tasks"]]


def test_a_label_changed_while_the_web_server_is_dead_is_found(stack: Stack, ranked: CellProject) -> None:
    """No event tells of it, and the number of labels stays."""
    before = list_versions(ranked.id)["versions"][-1]["name"]
    task = next(stack.client.tasks(ranked.id, "labelled"))
    stack.kill("web")
    answer = stack.http.patch(f"/api/annotations/{task['annotations'][0]['id']}/", json={"result": []})
    answer.raise_for_status()
    stack.sync(ranked)
    stack.wait(
        lambda: list_versions(ranked.id)["versions"][-1]["name"] != before, "a training on the changed label"
    )
    stack.wait(stack.service.healthy, "the web server to answer again")
    quiet(stack, ranked)
    newest = list_versions(ranked.id)["versions"][-1]["name"]
    connection().hdel(Keys(ranked.id).info, "looked")
    assert list(follow(ranked.id, enqueue.enqueue_sync(ranked.id)))[-1]["state"] == "finished"
    assert not pending_work.pending(connection(), ranked.id, Work.TRAINING).outstanding, (
        "what a training saw is no change"
    )
    assert list_versions(ranked.id)["versions"][-1]["name"] == newest


def test_label_studio_away_at_the_end_of_a_round(stack: Stack, ranked: CellProject) -> None:
    """The networks that were trained are not trained again:
    the round waits, says so, and puts its order in force; the logs stay short."""
    before = read_status(ranked.id)["round"]["name"]
    logged = {log: log.stat().st_size for log in stack.logs.glob("worker*.log")}
    fence = Fence(connection(), Keys(ranked.id).fence("round"))
    with held_round(stack, ranked) as job:
        assert fence.take(wait=60)
    with fence:  # the end of the round waits for it, however quickly its networks are trained
        stack.server.stop()
    try:
        waiting = "Waiting for Label Studio"
        state = stack.wait(
            lambda: (job := read_status(ranked.id)["running"]) and job["step"] == waiting and job, waiting
        )
        assert state["kind"] == FINISH
    finally:
        stack.server.start()
    last = list(follow(ranked.id, job))[-1]
    assert last["state"] == "finished"
    after = read_status(ranked.id)["round"]["name"]
    assert after != before
    assert Job.fetch(last["job"], connection=connection()).meta["round"] == after, "a further round came"
    assert order(stack, ranked) == [task["task"] for task in read_status(ranked.id)["next_tasks"]]
    assert list(follow(ranked.id, enqueue.enqueue_sync(ranked.id)))[-1]["state"] == "finished"
    for log, size in logged.items():
        assert b"Traceback" not in log.read_bytes()[size:], log


def test_a_batch_that_is_finished_while_its_round_runs_brings_the_next(
    stack: Stack, ranked: CellProject
) -> None:
    """The same labels give the same batch, so that it is known before. Tasks come and go meanwhile:
    all end up in the order, each with one prediction, and nothing of another version is left behind."""
    batch = [task["task"] for task in read_status(ranked.id)["next_tasks"] if task["in_batch"]]
    tasks = stack.client.task_ids(ranked.id)
    annotator = Annotator(stack, stack.server.admin)
    client = stack.http
    # Not the last one: on SQLite, Label Studio gives its number to the next task that is imported.
    gone = [task for task in order(stack, ranked) if task not in batch and task != max(tasks)][-1]
    image = stack.server.address(ranked.folder / ranked.pool.ids[0])
    new = [{"data": {"image": image}}] * 2
    with held_round(stack, ranked) as job:
        client.delete(f"/api/tasks/{gone}/").raise_for_status()
        client.post(f"/api/projects/{ranked.id}/import", json=new).raise_for_status()
        for task in batch:
            annotator.submit(task, ranked.regions(task))
    last = list(follow(ranked.id, job))[-1]
    assert last["state"] == "finished"
    name = read_status(ranked.id)["round"]["name"]
    state = stack.wait(
        lambda: (found := read_status(ranked.id))["round"]["name"] != name and not found["running"] and found,
        "the round after the batch",
    )
    assert state["round"]["reason"] == "the batch is finished"
    open_tasks = stack.client.task_ids(ranked.id, "unlabelled")
    assert gone not in open_tasks
    assert sorted(order(stack, ranked)) == open_tasks
    assert stack.client.versions(ranked.id)[state["round"]["name"]] == len(open_tasks)
    quiet(stack, ranked)
    assert due_work.describe_changes(ranked.id) == ""
    annotator.submit(open_tasks[0], [])
    assert due_work.describe_changes(ranked.id) != "", "the night would pass over it"
