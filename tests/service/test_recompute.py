"""A budget and a strategy for one round:
what a person asked for is neither lost to other rounds nor kept longer than it is meant to."""

from __future__ import annotations

import json

import pytest
from redis import Redis
from rq.job import Job
from typer.testing import CliRunner

from backend import cli
from backend.errors import SettingsError
from backend.project_settings import parse_project_settings
from backend.queue import enqueue, pending_work, project_jobs, round_request
from backend.queue.connection import Keys
from backend.queue.pending_work import Event, Work

pytestmark = pytest.mark.usefixtures("settings")


def snapshot_taken(redis: Redis, job: str, settings: str | None = None) -> str:
    """What the start of a round does first, in a project of budget 5;
    returns the id of what it is asked for."""
    request = round_request.read_pending(redis, 1)
    options = request.over(parse_project_settings(settings))
    redis.hset(Keys(1).jobs, "snapshotted", job)
    redis.hset(
        Keys(1).jobs,
        "snapshotted_options",
        json.dumps({"budget": options.budget, "strategy": options.strategy}),
    )
    return request.id


def standing(redis: Redis) -> tuple[int | None, str | None]:
    found = round_request.read_pending(redis, 1)
    return found.budget, found.strategy


def test_it_holds_over_the_projects_settings(redis: Redis) -> None:
    """Only what was asked for."""
    enqueue.enqueue_round(1, "asked for", budget=3)
    options = round_request.read_pending(redis, 1).over(
        parse_project_settings({"budget": 7, "strategy": "random", "seed": 2})
    )
    assert (options.budget, options.strategy, options.seed) == (3, "random", 2)


def test_a_scheduled_round_that_waits_takes_it_over(redis: Redis) -> None:
    """One round does both; a scheduled one more changes nothing, and a second request adds to the first."""
    scheduled = enqueue.enqueue_round(1, "nightly: new labels")
    assert enqueue.enqueue_round(1, "asked for", budget=3) == scheduled
    assert enqueue.enqueue_round(1, "the batch is finished") == scheduled
    assert enqueue.enqueue_round(1, "asked for", strategy="random") == scheduled
    assert standing(redis) == (3, "random")


def test_a_round_under_way_is_superseded_by_another_wish_only(redis: Redis) -> None:
    """The same request joins it, and so does none;
    a different one starts anew, with what is left of the first."""
    first = enqueue.enqueue_round(1, "asked for", budget=3)
    snapshot_taken(redis, first)
    assert enqueue.enqueue_round(1, "asked for", budget=3) == first
    assert enqueue.enqueue_round(1, "nightly: new tasks") == first
    second = enqueue.enqueue_round(1, "asked for", strategy="random")
    assert second != first
    assert redis.get(Keys(1).wanted_round) == b"a new one"
    assert standing(redis) == (3, "random")


def test_asking_for_what_runs_already_joins_it(redis: Redis) -> None:
    """The dialog sends the project's own settings too:
    networks are not trained again for that, and nothing is left for the next round."""
    scheduled = enqueue.enqueue_round(1, "nightly")
    snapshot_taken(redis, scheduled, '{"strategy": "task_dependent"}')
    assert enqueue.enqueue_round(1, "asked for", budget=5, strategy="task_dependent") == scheduled
    assert standing(redis) == (None, None)
    assert enqueue.enqueue_round(1, "asked for", options={"candidates": 16, "search": "greedy"}) == scheduled
    assert enqueue.enqueue_round(1, "asked for", options={"candidates": 3}) != scheduled
    assert round_request.read_pending(redis, 1).over(
        parse_project_settings({"true_masks": True})
    ).strategy_options == {
        "true_masks": True,
        "candidates": 3,
    }
    assert enqueue.enqueue_round(1, "asked for", budget=6, strategy="task_dependent") != scheduled


def test_a_scheduled_round_that_supersedes_keeps_it(redis: Redis) -> None:
    """Labels came meanwhile: the nightly round begins anew, with the budget the person asked for."""
    first = enqueue.enqueue_round(1, "asked for", budget=3)
    snapshot_taken(redis, first)
    pending_work.record(redis, 1, Event(Work.TRAINING, 1, (5,)))
    assert enqueue.enqueue_round(1, "nightly: new labels") != first
    assert standing(redis) == (3, None)


def test_it_stands_until_a_round_that_used_it_is_in_force(redis: Redis) -> None:
    """The end of an older round does not take it away; a failure leaves it to the next try."""
    old = snapshot_taken(redis, enqueue.enqueue_round(1, "nightly"))
    used = snapshot_taken(redis, enqueue.enqueue_round(1, "asked for", budget=3))
    round_request.complete(redis, 1, old)
    assert standing(redis) == (3, None)
    newer = snapshot_taken(redis, enqueue.enqueue_round(1, "asked for", budget=4))
    round_request.complete(redis, 1, used)
    assert standing(redis) == (4, None)
    round_request.complete(redis, 1, newer)
    assert standing(redis) == (None, None)


def test_a_cancel_takes_it_back(redis: Redis) -> None:
    """The next round is an ordinary one."""
    enqueue.enqueue_round(1, "asked for", budget=3, strategy="random")
    project_jobs.cancel(1)
    assert standing(redis) == (None, None)


def test_what_cannot_be_asked_for_starts_nothing(redis: Redis) -> None:
    """The message names what is known."""
    with pytest.raises(SettingsError, match=r"budget: .*greater than or equal to 1"):
        enqueue.enqueue_round(1, "asked for", budget=0)
    with pytest.raises(
        SettingsError, match=r"strategy: found 'best', expected one of .*ensemble, .*task_dependent"
    ):
        enqueue.enqueue_round(1, "asked for", strategy="best")
    assert project_jobs.waiting(redis, 1) == []


def test_the_shell_asks_for_both(redis: Redis) -> None:
    """A wrong name ends with exit code 2 and the known ones."""
    pending_work.register(redis, 1)
    runner = CliRunner()
    done = runner.invoke(cli.app, ["recompute", "--project", "1", "--budget", "4", "--strategy", "random"])
    assert done.exit_code == 0, done.output
    assert standing(redis) == (4, "random")
    (job,) = Job.fetch_many(
        [word.rstrip(";") for word in done.output.split() if word.startswith("round-1-")], connection=redis
    )
    assert job is not None
    wrong = runner.invoke(cli.app, ["recompute", "--project", "1", "--strategy", "best"])
    assert wrong.exit_code == cli.FIX
    assert "trusted" in wrong.output
