"""Asking for a rollback: whom it waits for, which request counts, and how the shell asks before it acts.
In a real Redis."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import shlex
import subprocess
import sys
import time

import pytest
import typer
from redis import Redis
from rq.job import Job
from typer.testing import CliRunner

from backend.cli import FAILED, FIX, app
from backend.errors import VersionError
from backend.jobs import due_work, promotion
from backend.project import version_list
from backend.project.context import open_context
from backend.queue import enqueue, pending_work, project_jobs
from backend.queue.connection import CONTROL, Keys
from backend.queue.lease import Fence
from backend.queue.pending_work import Work
from backend.run import service
from backend.settings import Settings
from backend.store.storage import Storage
from backend.store.version_history import ROLLBACK
from backend.store.versions import Versions
from model.exit_codes import CODES
from tests.service.conftest import publish_version, use_settings

CONFIRMED = 240.0
"""Seconds for a command to ask; it imports a few libraries first."""


@pytest.fixture
def versions(settings: Settings) -> Versions:
    """Project 1 with v1 and v2, which is in use, and no order yet."""
    for name in ("v1", "v2"):
        publish_version(settings.model_dir, 1, name, steps=2)
    return Versions(Storage(settings.model_dir), 1)


def test_it_waits_for_no_training(redis: Redis, versions: Versions) -> None:
    """It goes to the queue of short jobs; no other order is begun until it is done."""
    del versions
    pending_work.register(redis, 1)
    enqueue.enqueue_training(1)
    job = Job.fetch(enqueue.enqueue_rollback(1, "v1"), connection=redis)
    assert (job.origin, job.get_status().value) == (CONTROL, "queued")
    assert project_jobs.waiting(redis, 1) == [Work.TRAINING, project_jobs.ROLLBACK]
    pending_work.request(redis, 1, Work.ROUND)
    assert project_jobs.active(redis, 1, Work.ROUND)
    assert not any(
        started.startswith("round") for started in due_work.dispatch(redis, open_context(1).settings)
    )


def test_the_last_wish_counts(redis: Redis, versions: Versions) -> None:
    """The same version is joined; another one takes the place of what waits;
    a cancel takes all of it back."""
    first = enqueue.enqueue_rollback(1, "v1")
    assert enqueue.enqueue_rollback(1, "v1") == first
    second = enqueue.enqueue_rollback(1, "v2")
    assert second != first
    assert Job.fetch(first, connection=redis).get_status().value == "canceled"
    assert project_jobs.cancel(1) == [second]
    assert project_jobs.waiting(redis, 1) == []
    with pytest.raises(VersionError, match="no version 'v9'; there are: v1, v2"):
        enqueue.enqueue_rollback(1, "v9")
    with pytest.raises(VersionError, match=r"no version '\.\./v1'"):
        enqueue.enqueue_rollback(1, "../v1")
    assert versions.current() == "v2"


def test_one_at_a_time_chooses_the_version(redis: Redis, versions: Versions) -> None:
    """A training that ends while a rollback puts its version in use waits for it, and then sees it."""
    del versions
    context = open_context(1)
    with promotion.deciding(context):
        assert not Fence(redis, Keys(1).fence("version")).take(wait=0.2)
    with promotion.deciding(context) as fence:
        fence.check()


def test_a_cancelled_round_s_own_training_stops_as_well(redis: Redis, versions: Versions) -> None:
    """It is known under a name of its own."""
    del versions
    round_job = enqueue.enqueue_round(1, "asked for")
    project_jobs.cancel(1)
    assert redis.sismember(Keys(1).cancelled, project_jobs.training_id(round_job))


def test_what_people_are_told_before(redis: Redis, settings: Settings, versions: Versions) -> None:
    """How many tasks change, from which version to which;
    one that is damaged is refused before anything is asked."""
    storage = Storage(settings.model_dir)
    storage.write_json("projects/1/current-round.json", {"round": "v2.r4"})
    storage.write_json(
        "projects/1/rounds/v2.r4/record.json",
        {"round": "v2.r4", "time": "", "version": "v2", "order": list(range(1, 601)), "batch": []},
    )
    redis.sadd(Keys(1).labelled, 1, 2)
    plan = version_list.plan_rollback(1, "v1")
    assert plan.before is not None
    assert (plan.before.name, plan.to.name, plan.nothing_to_do) == ("v2", "v1", False)
    assert (plan.round, plan.tasks, plan.masks) == ("v2.r4", 598, 200)
    assert not plan.stops_round
    assert not plan.training
    enqueue.enqueue_round(1, "asked for")  # it waits for a worker, as one does between two of its networks
    assert version_list.plan_rollback(1, "v1").stops_round
    assert version_list.plan_rollback(1, "v2").nothing_to_do
    (settings.model_dir / "projects/1/versions/v1/model.json").write_text("{")
    with pytest.raises(VersionError, match="damaged"):
        version_list.plan_rollback(1, "v1")
    assert "damaged" in version_list.list_versions(1).versions[0].damaged
    assert versions.current() == "v2"


def test_the_list_for_scripts(versions: Versions) -> None:
    """Versions, the one in use, and how it came to be."""
    versions.make_current("v1", by=ROLLBACK, who="ada", reason="v2 draws the background")
    told = json.loads(CliRunner().invoke(app, ["versions", "--project", "1", "--json"]).stdout)
    assert (told["current"], told["rolled_back"]) == ("v1", True)
    assert [(each["name"], each["current"]) for each in told["versions"]] == [("v1", True), ("v2", False)]
    uses = [(use["version"], use["before"], use["who"]) for use in told["uses"]]
    assert uses == [
        ("v1", None, ""),
        ("v2", "v1", ""),
        ("v1", "v2", "ada"),
    ]
    table = CliRunner().invoke(app, ["versions", "--project", "1"]).stdout
    assert "* v1" in table
    assert "rolled back from v2 to v1 by ada: v2 draws the background" in table


def test_the_shell_refuses_what_makes_no_sense(redis: Redis, versions: Versions) -> None:
    """Nothing is started without a yes, for an unknown version, or for the one in use."""
    del versions
    runner = CliRunner()
    unasked = runner.invoke(app, ["rollback", "--project", "1", "v1"])
    assert unasked.exit_code == FIX
    assert "instead of v2" in unasked.stderr
    assert "--yes" in unasked.stderr
    unknown = runner.invoke(app, ["rollback", "--project", "1", "v9", "--yes"])
    assert unknown.exit_code == FIX
    assert "there are: v1, v2" in unknown.stderr
    same = runner.invoke(app, ["rollback", "--project", "1", "v2", "--yes"])
    assert (same.exit_code, same.stdout) == (0, "v2 is in use already; nothing was changed.\n")
    assert project_jobs.waiting(redis, 1) == []


def on_a_terminal(settings: Settings, answer: str) -> tuple[int, str]:
    """The command on a real terminal, and what is typed when it asks;
    returns exit code and what was shown."""
    leader, follower = pty.openpty()
    command = [sys.executable, "-m", "backend", "rollback", "--project", "1", "v1"]
    environment = {**os.environ, **service.environment(settings), "TERM": "dumb"}
    with subprocess.Popen(
        command, stdin=follower, stdout=follower, stderr=follower, env=environment
    ) as process:
        os.close(follower)
        shown, typed, until = b"", False, time.monotonic() + CONFIRMED
        while time.monotonic() < until:
            if select.select([leader], [], [], 0.1)[0]:
                try:
                    shown += os.read(leader, 4096)
                except OSError:  # the other end is closed: it has ended
                    break
            if b"[y/N]" in shown and not typed:
                os.write(leader, f"{answer}\n".encode())
                typed = True
        code = process.wait(CONFIRMED)
    os.close(leader)
    return code, shown.decode()


def test_the_shell_asks_and_does_what_it_is_told(
    redis: Redis, settings: Settings, versions: Versions
) -> None:
    """Enter means no."""
    del versions
    code, shown = on_a_terminal(settings, "")
    assert (code, "Nothing was changed." in shown) == (FAILED, True)
    assert "To undo it: python -m backend rollback --project 1 v2" in shown
    assert project_jobs.waiting(redis, 1) == []
    code, shown = on_a_terminal(settings, "y")
    assert (code, "Started job rollback-1-" in shown) == (0, True)
    assert project_jobs.waiting(redis, 1) == [project_jobs.ROLLBACK]


COMMANDS = {
    command.callback.__name__: command.callback for command in app.registered_commands if command.callback
}


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_shows_an_example_and_its_exit_codes(name: str) -> None:
    """The examples are understood as written."""
    shown = " ".join(CliRunner().invoke(app, [name, "--help"], env={"COLUMNS": "200"}).stdout.split())
    assert CODES in " ".join(shown.split())
    examples = re.findall(
        r"^ *Example: .*python -m backend (.+)$", COMMANDS[name].__doc__ or "", re.MULTILINE
    )
    assert examples
    command = typer.main.get_command(app)
    for example in examples:
        assert f"python -m backend {example}" in shown
        words = shlex.split(example)
        assert words[0] == name
        command.commands[name].make_context(name, words[1:])  # type: ignore[attr-defined]


@pytest.mark.parametrize("command", ["status", "train --project 1", "recompute --project 1"])
def test_without_redis_a_command_says_what_to_mend(
    command: str, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not a traceback."""
    del redis
    use_settings(monkeypatch, redis_url="redis://127.0.0.1:9/0")
    done = CliRunner().invoke(app, command.split())
    assert done.exit_code == FIX
    assert "does not answer" in done.stderr
