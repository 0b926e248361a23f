"""What GET /metrics and the logs tell, from a real gunicorn, two real workers and a real Redis."""

from __future__ import annotations

import json
import os
import re
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import psutil
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_open_metrics
from prometheus_client.parser import text_string_to_metric_families as parse_text
from redis import Redis
from rq.job import Job, JobStatus
from rq.registry import StartedJobRegistry, clean_registries

from backend.labelstudio.labels.config import EXAMPLE
from backend.queue import enqueue, job_statistics, pending_work
from backend.queue.connection import COMPUTE, PROJECTS, Keys, named
from backend.queue.pending_work import Event, Work
from backend.queue.project_info import ProjectInfo
from backend.queue.project_jobs import FINISH, UNIT
from tests.service.conftest import publish_version
from tests.service.measured_service import KEY, PASSWORD, SECONDS, TOKEN, Service, running
from tests.waiting import eventually

__all__ = ["running"]

DOCS = (Path(__file__).resolve().parents[2] / "docs" / "metrics.md").read_text()


def test_requests_are_counted_by_endpoint_and_status(
    running: Service, image_url: Callable[[int], str]
) -> None:
    """Never by raw path; what /predict drew, and what it could not read;
    an id that the answer and the log carry."""
    web, name = running.web, "tdal_http_request_duration_seconds_count"
    for number in range(3):
        assert (
            web.get(f"/no/such/address/{number}", headers={"X-Request-ID": f"mine-{number}"}).headers[
                "X-Request-ID"
            ]
            == f"mine-{number}"
        )
    httpx.get(f"{web.url}/metrics", timeout=60)
    running.redis.sadd(PROJECTS, 2, 8)
    publish_version(web.settings.model_dir, 2)
    for project in (2, 8):
        tasks = [{"id": number, "data": {"image": image_url(number)}} for number in (3, 4, 404)]
        web.post(
            "/predict",
            {"tasks": tasks, "project": str(project), "label_config": EXAMPLE},
            headers={"X-Request-ID": "bad id\t!"},
        )
    web.post("/setup", {"project": "2", "schema": "<View/>", "access_token": TOKEN})
    assert running.value(name, endpoint="unknown", status="404") == 3
    assert running.value(name, endpoint="/metrics", status="401") == 1
    assert running.value(name, endpoint="/predict", status="200") == 2
    assert running.value(name, endpoint="/setup", status="422") == 1
    assert running.value("tdal_predictions_total", project="2", outcome="mask") == 2
    assert running.value("tdal_predictions_total", project="2", outcome="failed") == 1
    assert running.value("tdal_predictions_total", project="8", outcome="no_model") == 3
    assert "no/such/address" not in web.get("/metrics").text
    lines = _lines(web.log)
    assert {line["logger"].split(".")[0] for line in lines} >= {"gunicorn", "backend"}
    drawn = [line for line in lines if "task 404: no prediction" in line["message"]]
    assert [(line["project"], line["version"]) for line in drawn] == [(2, "v1")]
    assert re.fullmatch(r"[0-9a-f]{12}", drawn[0]["request"])
    assert (
        next(line for line in lines if line["message"] == "v1 loaded")["request"] == drawn[0]["request"]
    )  # in the network's thread


def test_jobs_of_several_workers_are_counted_however_they_end(running: Service) -> None:
    """Stopped, failed and tried again, killed: with the state of queues and workers meanwhile;
    a new web process knows it too."""
    redis, name = running.redis, "tdal_job_duration_seconds_count"
    running.wait(2, "tdal_workers", queue="compute", state="idle")
    (stopped,) = _enqueue_units(redis, 3, "v1.r1")  # which is in no storage: superseded and cleared away
    running.wait(1, name, kind=UNIT, outcome="stopped")
    damaged = running.web.settings.model_dir / "projects/4/rounds/v1.r1/snapshot.json"
    damaged.parent.mkdir(parents=True)
    damaged.write_text("{")
    (failed,) = _enqueue_units(redis, 4, "v1.r1")
    running.wait(3, name, kind=UNIT, outcome="failed")  # a try and two more
    running.wait(3, name, kind=FINISH, outcome="failed")  # the end of that round
    running.wait(1, "tdal_jobs", kind=UNIT, state="failed")
    running.wait(2, "tdal_project_failed_jobs", project="4")

    hanging = [
        enqueue.enqueue_training(project) for project in (5, 6)
    ]  # one for each worker: they wait for Label Studio
    running.wait(2, "tdal_workers", queue="compute", state="busy")
    enqueue.enqueue_training(7)
    running.wait(2, "tdal_jobs", kind="training", state="running")
    running.wait(1, "tdal_queue_jobs", queue="compute")
    assert running.value("tdal_jobs", kind="training", state="queued") == 1
    assert 0 < (running.value("tdal_queue_oldest_job_age_seconds", queue="compute") or 0) < SECONDS
    assert running.value("tdal_queue_oldest_job_age_seconds", queue="control") == 0
    assert eventually(
        lambda: all("training: asked for" in log.read_text() for log in running.logs[:2]), SECONDS
    )
    program = running.workers[0].program_pid
    assert program
    (horse,) = psutil.Process(program).children()
    horse.kill()
    running.wait(1, name, kind="training", outcome="killed")

    before = running.value("process_start_time_seconds")
    os.kill(
        running.web.running.program_pid or 0, signal.SIGHUP
    )  # gunicorn puts a new process in place of the old one

    def renewed() -> bool:
        try:
            return running.value("process_start_time_seconds") != before
        except httpx.HTTPError:  # the one of before has just ended
            return False

    assert eventually(renewed, SECONDS)
    assert running.value(name, kind=UNIT, outcome="stopped") == 1
    assert running.value(name, kind=UNIT, outcome="failed") == 3
    total = running.value("tdal_job_duration_seconds_sum", kind="training", outcome="killed") or 0
    assert total > 0
    limits = [limit for limit in job_statistics.LIMITS if total <= limit]
    assert (
        running.value(
            "tdal_job_duration_seconds_bucket", kind="training", outcome="killed", le=str(limits[0])
        )
        == 1
    )

    text, as_json = (log.read_text() for log in running.logs[:2])
    for project, job in zip((5, 6), hanging, strict=True):
        in_text = (
            f" INFO backend.jobs.entry_points [project={project} job={job}]: training: asked for" in text
        )
        in_json = any(
            _belongs(line, project=project, job=job, message="training: asked for")
            for line in _lines(running.logs[1])
        )
        assert in_text or in_json
    assert "horse" in text  # rq's own word on the killed one
    assert all(
        re.search(r"\[project=\d+ job=training-", line) for line in text.splitlines() if "horse" in line
    ), text
    both = text + as_json
    assert f"[project=3 round=v1.r1 job={stopped}]: row stopped" in both or _found(
        as_json, project=3, round="v1.r1", job=stopped
    )
    assert f"rq.worker [project=4 round=v1.r1 job={failed}]" in both or _found(
        as_json, logger="rq.worker", project=4, job=failed
    )


def test_a_job_whose_worker_vanished_is_counted(running: Service) -> None:
    """rq finds it when its sign of life is overdue."""
    redis = running.redis
    apart = named("compute-elsewhere", redis)
    apart.enqueue_call(
        "backend.jobs.entry_points.train",
        args=(9, "x"),
        job_id="training-9-x",
        meta={"project": 9, "kind": "training"},
    )
    job = Job.fetch("training-9-x", connection=redis)
    job.prepare_for_execution("gone", redis.pipeline())
    job.set_status(JobStatus.STARTED)
    redis.zadd(StartedJobRegistry(queue=apart).key, {f"{job.id}:1": time.time() - 1})
    before = running.value("tdal_job_duration_seconds_count", kind="training", outcome="killed") or 0
    clean_registries(apart, [job_statistics.note_abandoned])
    assert running.value("tdal_job_duration_seconds_count", kind="training", outcome="killed") == before + 1


def test_projects(running: Service) -> None:
    """What jobs have left in Redis about each; a value that nobody knows is left out."""
    redis = running.redis
    info = ProjectInfo(
        version="v7",
        held_out_dice=0.8125,
        trained=12,
        rounds_written=4,
        round_time="2020-01-01T00:00:00+00:00",
    )
    pending_work.register(redis, 11, info)
    pending_work.register(redis, 12)
    for project in (11, 12):
        for _ in range(3):
            pending_work.record(redis, project, Event(Work.TRAINING, 1, (5,)))
    redis.hset(Keys(11).errors, "round", "{}")
    assert running.value("tdal_project_model_version", project="11") == 7
    assert running.value("tdal_project_model_version", project="12") == 0
    assert running.value("tdal_project_held_out_dice", project="11") == 0.8125
    assert running.value("tdal_project_held_out_dice", project="12") is None
    assert running.value("tdal_project_labels", project="11", state="trained") == 12
    assert running.value("tdal_project_labels", project="11", state="waiting") == 3
    assert running.value("tdal_project_rounds_written_total", project="11") == 4
    assert (running.value("tdal_project_round_age_seconds", project="11") or 0) > 86400 * 365
    assert running.value("tdal_project_round_age_seconds", project="12") is None
    assert running.value("tdal_project_failing_job_kinds", project="11") == 1


def test_the_page_names_what_there_is(running: Service) -> None:
    """Each metric of ours stands in the documentation and each documented one in the output;
    also those of the alert rules."""
    text = running.web.get("/metrics").text
    given = {family.name for family in parse_text(text)} - {"python_info", "python_gc_objects_collected"}
    ours = {
        family.name + ("_total" if family.type == "counter" else "")
        for family in parse_text(text)
        if family.name.startswith("tdal_")
    }
    table = set(re.findall(r"^\| `(tdal_\w+)", DOCS, re.MULTILINE))
    assert table == ours
    rules = re.findall(r"expr: (.+)", DOCS)
    assert len(rules) >= 3
    used = {
        re.sub(r"_(bucket|sum|count|total)$", "", name)
        for rule in rules
        for name in re.findall(r"\b(?:tdal|process)_\w+", rule)
    }
    assert used <= given
    for family in parse_text(text):
        assert family.documentation
    accept = "application/openmetrics-text; version=1.0.0; charset=utf-8"
    answer = running.web.get("/metrics", headers={"Accept": accept})
    assert answer.headers["Content-Type"].startswith("application/openmetrics-text")
    assert {family.name for family in parse_open_metrics(answer.text)} >= {"tdal_jobs", "tdal_predictions"}


def test_a_hundred_projects_and_a_long_queue_are_little_work(running: Service) -> None:
    """A scrape asks Redis a few questions a project, and none for each of so many failed jobs."""
    redis = running.redis
    info = ProjectInfo(version="v1", held_out_dice=0.5, round_time="2026-01-01T00:00:00+00:00")
    for project in range(100, 200):
        pending_work.register(redis, project, info)
    elsewhere = [f"row-{100 + number % 100}-v1-r1-{number}" for number in range(20_000)]
    redis.zadd(f"rq:failed:{COMPUTE}", {job: time.time() + 60 for job in elsewhere})
    before = redis.info("stats")["total_commands_processed"]
    text = running.web.get("/metrics").text
    asked = redis.info("stats")["total_commands_processed"] - before
    redis.zrem(f"rq:failed:{COMPUTE}", *elsewhere)
    assert text.count("tdal_project_model_version{") >= 100
    assert asked < 2_000


def test_without_redis_it_still_answers_and_says_so(running: Service) -> None:
    """Which is what an alarm needs;
    the event that came meanwhile is held, and recorded when Redis is back."""
    running.server.stop()
    assert running.value("tdal_up", part="redis") == 0
    assert running.value("tdal_up", part="storage") == 1
    assert running.value("tdal_jobs", kind="training", state="queued") is None
    label = {"action": "ANNOTATION_CREATED", "annotation": {"id": 1, "task": 1}, "project": {"id": 11}}
    assert running.web.post("/webhook", label).status_code == 201
    assert running.value("tdal_events_held") == 1
    running.server.start()
    running.wait(1, "tdal_up", part="redis")
    running.wait(0, "tdal_events_held")


def test_no_secret_is_in_a_log(running: Service) -> None:
    """Also not where Redis was away, a key was refused, or a job failed with a traceback."""
    password = running.server.address.split(":")[2].split("@")[0]
    for log in running.logs:
        text = log.read_text()
        assert text
        for secret in (KEY, PASSWORD, TOKEN, password):
            assert secret not in text, log.name


def _enqueue_units(redis: Redis, project: int, round_name: str) -> list[str]:
    enqueue.enqueue_units(redis, project, round_name, ["one"])
    job = f"{UNIT}-{project}-{round_name.replace('.', '-')}-0"
    assert Job.exists(job, connection=redis)
    return [job]


def _lines(log: Path) -> list[dict[str, Any]]:
    """Each line is a JSON object, whoever wrote it."""
    found: list[dict[str, Any]] = [json.loads(line) for line in log.read_text().splitlines()]
    assert all({"time", "level", "logger", "message", "process"} <= set(line) for line in found)
    return found


def _belongs(line: dict[str, Any], **fields: Any) -> bool:
    return all(line.get(name) == value for name, value in fields.items())


def _found(text: str, **fields: Any) -> bool:
    return any(_belongs(json.loads(line), **fields) for line in text.splitlines())
