"""Events become jobs: after quiet or enough labels, one at a time, none lost, in a real Redis."""

from __future__ import annotations

import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from redis import Redis
from rq.job import Job, JobStatus

from backend.jobs import due_work
from backend.queue import enqueue, pending_work, project_jobs
from backend.queue.backlog import Backlog
from backend.queue.connection import KEPT_SECONDS, Keys, as_text, connect
from backend.queue.follow import follow
from backend.queue.pending_work import Event, Work
from backend.run.processes import free_port
from backend.run.redis_server import EmbeddedRedis
from backend.settings import Settings
from tests.service.conftest import use_settings
from tests.waiting import eventually

LABEL = Event(Work.TRAINING, 1, (5,))


@pytest.fixture
def quick(
    redis: Redis, redis_server: EmbeddedRedis, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Settings:
    """A second of quiet, or three labels."""
    pending_work.register(redis, 1)
    return use_settings(
        monkeypatch, redis_url=redis_server.address, model_dir=tmp_path, quiet_seconds=1, labels_to_train=3
    )


def jobs(redis: Redis) -> list[str]:
    """Ids of all jobs that wait for a worker."""
    return [
        as_text(job) for name in ("control", "compute") for job in redis.lrange(f"rq:queue:{name}", 0, -1)
    ]


def test_a_training_starts_after_quiet(
    redis: Redis, quick: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not while labels keep coming: a second of quiet begins with the last one."""
    clock = SimpleNamespace(seconds=1000.0)
    for module in (due_work, pending_work):
        monkeypatch.setattr(module, "time", SimpleNamespace(time=lambda: clock.seconds))
    for _ in range(2):
        pending_work.record(redis, 1, LABEL)
        clock.seconds += 0.6
        assert due_work.dispatch(redis, quick) == []
    clock.seconds += 0.5
    (job,) = due_work.dispatch(redis, quick)
    assert job.startswith("training-1-")
    assert due_work.dispatch(redis, quick) == []  # it waits for a worker: no second one


def test_enough_labels_do_not_wait(redis: Redis, quick: Settings) -> None:
    """Three are enough here; a pile of events makes one job."""
    for _ in range(50):
        pending_work.record(redis, 1, LABEL)
    assert len(due_work.dispatch(redis, quick)) == 1
    assert len(jobs(redis)) == 1


def test_events_during_a_training_mean_exactly_one_more(redis: Redis, quick: Settings) -> None:
    """The job notes where the counters stood when it began."""
    pending_work.record(redis, 1, LABEL)
    begun = pending_work.begin(redis, 1, Work.TRAINING)
    for _ in range(7):
        pending_work.record(redis, 1, LABEL)
    pending_work.finish(redis, 1, Work.TRAINING, begun)
    pending = pending_work.pending(redis, 1, Work.TRAINING)
    assert (pending.outstanding, pending.labels) == (True, 7)
    pending_work.finish(redis, 1, Work.TRAINING, pending_work.begin(redis, 1, Work.TRAINING))
    assert not pending_work.pending(redis, 1, Work.TRAINING).outstanding
    assert due_work.dispatch(redis, quick) == []


def test_what_was_done_before_redis_was_emptied_stops_nothing(redis: Redis, quick: Settings) -> None:
    """An earlier edition counted it on top of what has been wanted since."""
    redis.hset(Keys(1).events, mapping={f"{Work.SYNC}:wanted": 3, f"{Work.SYNC}:done": 10_081})
    assert pending_work.pending(redis, 1, Work.SYNC).due(Work.SYNC, quick, time.time())
    pending_work.finish(redis, 1, Work.SYNC, pending_work.standing(redis, 1, Work.SYNC))
    assert not pending_work.pending(redis, 1, Work.SYNC).outstanding


@pytest.mark.parametrize("since", [0, 1])
def test_what_comes_after_redis_was_emptied_is_wanted(redis: Redis, quick: Settings, since: int) -> None:
    """The counters begin again while a job runs, which knows those of before."""
    for _ in range(10):
        pending_work.record(redis, 1, LABEL)
    begun = pending_work.begin(redis, 1, Work.TRAINING)
    redis.flushall()
    for _ in range(since):
        pending_work.record(redis, 1, LABEL)
    pending_work.finish(redis, 1, Work.TRAINING, begun)
    assert pending_work.pending(redis, 1, Work.TRAINING).outstanding == bool(since)
    for _ in range(3):
        pending_work.record(redis, 1, LABEL)
    assert pending_work.pending(redis, 1, Work.TRAINING).due(Work.TRAINING, quick, time.time())


def test_a_training_inside_a_round_counts(redis: Redis, quick: Settings) -> None:
    """Whoever holds the fence trains; a job beside it would do the same again."""
    for _ in range(3):
        pending_work.record(redis, 1, LABEL)
    redis.set(Keys(1).fence("training"), 1)
    assert due_work.dispatch(redis, quick) == []
    redis.delete(Keys(1).fence("training"))
    assert len(due_work.dispatch(redis, quick)) == 1


def test_failures_are_tried_again_later_and_later(redis: Redis, quick: Settings) -> None:
    """And nothing is lost by them."""
    pending_work.record(redis, 1, LABEL)
    for failures, pause in ((1, 15), (2, 30), (7, 600), (40, 600)):
        while pending_work.pending(redis, 1, Work.TRAINING).failures < failures:
            pending_work.fail(redis, 1, Work.TRAINING)
        pending = pending_work.pending(redis, 1, Work.TRAINING)
        assert not pending.due(Work.TRAINING, quick, pending.tried + pause - 5)
        assert pending.due(Work.TRAINING, quick, pending.tried + pause + 5)
    assert pending_work.pending(redis, 1, Work.TRAINING).outstanding


def test_projects_are_apart(redis: Redis, quick: Settings) -> None:
    """Each its own counters and job."""
    pending_work.register(redis, 2)
    for project in (1, 2):
        for _ in range(3):
            pending_work.record(redis, project, LABEL)
    started = due_work.dispatch(redis, quick)
    assert sorted(job.split("-")[1] for job in started) == ["1", "2"]
    pending_work.forget(redis, 2)
    assert pending_work.projects(redis) == [1]


def test_a_tick_looks_at_every_project_once(redis: Redis, quick: Settings) -> None:
    """Ticks do not pile up while nobody works."""
    del quick
    for _ in range(3):
        due_work.tick()
    assert pending_work.pending(redis, 1, Work.SYNC).wanted == 1


def test_a_week_of_syncs_leaves_little_behind(redis: Redis, quick: Settings) -> None:
    """Nor do they hide what else there is to cancel."""
    del quick
    training = enqueue.enqueue_training(1)
    for _ in range(3):
        sync = Job.fetch(enqueue.enqueue_sync(1), connection=redis)
        assert [job.id for job in project_jobs.all_jobs(redis, 1)] == [sync.id, training]
        sync.set_status(JobStatus.FINISHED)
        sync.cleanup(sync.result_ttl)  # as rq does at its end
        assert 0 < redis.ttl(sync.key) <= 600
    assert Job.fetch(training, connection=redis).result_ttl == KEPT_SECONDS


def test_a_restart_of_redis_loses_no_event(tmp_path: Path) -> None:
    """What came before is in its file, what comes meanwhile waits in the web process, in order."""
    server = EmbeddedRedis(tmp_path, port=free_port())
    server.start()
    redis = connect(server.address, timeout=0.25, attempts=1)
    backlog = Backlog(redis)
    for number in range(10):
        assert backlog.record(1, Event(Work.TRAINING, 1, (number,)))
    server.stop()
    for number in range(10, 20):
        assert not backlog.record(1, Event(Work.TRAINING, 1, (number,)))
    server = EmbeddedRedis(tmp_path, port=server.port)
    server.start()
    try:
        assert eventually(lambda: not len(backlog))
        assert pending_work.pending(redis, 1, Work.TRAINING).labels == 20
        assert redis.scard(Keys(1).labelled) == 20
    finally:
        server.stop()


def test_a_round_waits_for_the_training_before_it(redis: Redis, quick: Settings) -> None:
    """A recompute while a training runs uses its model; a second click joins the first."""
    del quick
    training = enqueue.enqueue_training(1)
    assert enqueue.enqueue_training(1) == training
    ranking = enqueue.enqueue_round(1, "asked for")
    assert enqueue.enqueue_round(1, "asked for") == ranking
    assert jobs(redis) == [training]  # the round is deferred
    assert project_jobs.waiting(redis, 1) == [Work.TRAINING, "round"]
    assert next(follow(1, ranking))["state"] == "queued"


def test_cancel_takes_everything_back(redis: Redis, quick: Settings) -> None:
    """Also what was only wanted, so that nothing starts again by itself a second later."""
    for _ in range(3):
        pending_work.record(redis, 1, LABEL)
    enqueue.enqueue_training(1)
    ranking = enqueue.enqueue_round(1, "asked for")
    assert len(project_jobs.cancel(1)) == 2
    assert jobs(redis) == []
    assert due_work.dispatch(redis, quick) == []
    (last,) = follow(1, ranking)
    assert last["state"] == "cancelled"
    assert project_jobs.cancel(1) == []
    assert pending_work.is_paused(redis, 1, labelled=5)  # what a look sees: the same labels again
    assert pending_work.is_paused(redis, 1, labelled=5)
    assert "Cancelled by a person" in as_text(redis.hget(Keys(1).notes, "cancelled"))
    assert not pending_work.is_paused(redis, 1, labelled=6)  # a label that no event told of
    assert not redis.hexists(Keys(1).notes, "cancelled")
    pending_work.record(redis, 1, LABEL)
    time.sleep(1.1)
    assert len(due_work.dispatch(redis, quick)) == 1  # the next label starts anew
    project_jobs.cancel(1)
    pending_work.record(redis, 1, LABEL)
    assert not pending_work.is_paused(redis, 1, labelled=6)
