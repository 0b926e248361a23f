"""The process that starts what happens by itself."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from redis import Redis
from rq.cron import CronScheduler
from rq.exceptions import StopRequested

from backend.jobs import due_work
from backend.queue import enqueue, pending_work, project_jobs
from backend.queue.connection import Keys
from backend.queue.pending_work import Event, Work
from backend.run import service
from backend.run.processes import free_port
from backend.run.scheduler import create_scheduler
from backend.settings import Settings, read_settings
from tests.object_store import BUCKET, ObjectStore
from tests.service.conftest import use_settings


@pytest.mark.parametrize("projects", [0, 1])
def test_it_ends_quietly_also_while_redis_is_away(tmp_path: Path, projects: int) -> None:
    """It waits for Redis all the time then, and that is where the signal finds it, whether or not it has got
    to the schedule itself."""
    for number in range(projects):
        (tmp_path / "projects" / str(number + 1)).mkdir(parents=True)
    settings = read_settings(redis_url=f"redis://127.0.0.1:{free_port()}", model_dir=tmp_path)
    environment = os.environ | service.environment(settings)
    command = [sys.executable, "-m", "backend.run.scheduler"]
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        assert process.stdout is not None
        said = ""
        while "the schedule pauses" not in said:
            line = process.stdout.readline()
            assert line, said
            said += line
        time.sleep(0.5)  # in the log itself the signal would be a line of it
        process.send_signal(signal.SIGTERM)
        said += process.stdout.read()
        # Before the schedule itself was reached, a signal ends the process as any other.
        assert process.wait(60) == (-signal.SIGTERM if projects else 0), said
    assert "Traceback" not in said


@pytest.mark.usefixtures("settings")
def test_no_nightly_round_after_a_person_cancelled(redis: Redis) -> None:
    """Model and order stay as they are until the next label, as the page tells; a label begins again."""
    for project in (1, 2):
        pending_work.register(redis, project)
        enqueue.enqueue_round(project, "asked for")
        project_jobs.cancel(project)
    pending_work.record(redis, 2, Event(Work.TRAINING, 1, (5,)))
    due_work.nightly()
    assert [bool(project_jobs.waiting(redis, project)) for project in (1, 2)] == [False, True]


@pytest.mark.usefixtures("settings")
def test_one_project_does_not_end_the_night_of_the_others(redis: Redis) -> None:
    """Also where its round cannot be enqueued."""
    for project in (1, 2):
        pending_work.register(redis, project)
    redis.sadd(Keys(1).asked, "another release kept it in another form")
    due_work.nightly()
    assert project_jobs.waiting(redis, 2) == [project_jobs.START]


def test_the_night_has_time_for_many_projects(redis: Redis, settings: Settings) -> None:
    """Each may keep it waiting for a minute."""
    (job,) = [each for each in create_scheduler(redis, settings).get_jobs() if each.cron]
    assert job.job_options["job_timeout"] >= 3600


def test_a_damaged_record_does_not_keep_other_projects_waiting(redis: Redis, settings: Settings) -> None:
    """Whether that one is connected is asked again until it can be told."""
    folders = [settings.model_dir / "projects" / str(project) for project in (1, 2)]
    for folder in folders:
        folder.mkdir(parents=True)
    damaged = folders[0] / "connected.json"
    damaged.write_text("{")
    due_work.tick()
    assert pending_work.projects(redis) == [2]
    pending_work.forget(redis, 2)  # it is gone in Label Studio meanwhile
    damaged.write_text('{"found": {}}')
    due_work.tick()
    assert pending_work.projects(redis) == [1]


def test_projects_that_are_known_do_not_wait_for_a_storage_that_is_away(
    redis: Redis, settings: Settings, object_store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody knows then which others there are."""
    object_store.use(monkeypatch)
    use_settings(
        monkeypatch,
        redis_url=settings.redis_url,
        model_dir=settings.model_dir,
        storage_url=f"s3://{BUCKET}/schedule",
    )
    pending_work.register(redis, 1)
    with object_store.away():
        due_work.tick()
    assert pending_work.pending(redis, 1, Work.SYNC).outstanding


def test_projects_are_known_again_after_redis_was_emptied(redis: Redis, settings: Settings) -> None:
    """It comes back at once, so that the schedule sees no error; somebody has opened one of them since."""
    for project in (1, 2):
        (settings.model_dir / "projects" / str(project)).mkdir(parents=True)
    due_work.tick()
    assert pending_work.projects(redis) == [1, 2]
    pending_work.forget(redis, 2)  # it is gone in Label Studio
    due_work.tick()
    assert pending_work.projects(redis) == [1]
    redis.flushall()
    pending_work.register(redis, 1)
    due_work.tick()
    assert pending_work.projects(redis) == [1, 2]
    due_work.tick()
    assert pending_work.pending(redis, 2, Work.SYNC).outstanding


def test_a_second_signal_does_not_disturb_the_end(
    redis: Redis, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C in a terminal, then the supervisor:
    rq would raise anew wherever the end has got to, and leave a traceback in the log."""
    scheduler = create_scheduler(redis, settings)
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    looks: list[str] = []

    def asked_to_end() -> list[object]:
        looks.append("look")
        signal.raise_signal(signal.SIGTERM)
        return []

    def asked_again() -> None:
        looks.append("end")
        for number in before:
            signal.raise_signal(number)
        CronScheduler.register_death(scheduler)

    monkeypatch.setattr(scheduler, "enqueue_jobs", asked_to_end)
    monkeypatch.setattr(scheduler, "register_death", asked_again)
    try:
        scheduler.start()
        for number in before:
            signal.raise_signal(number)
    except StopRequested:
        pytest.fail("a signal was an error after the first one")
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    assert looks == ["look", "end"]
    assert not CronScheduler.all(redis)
