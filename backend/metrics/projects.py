"""What each project is like, from Redis alone:
jobs leave there what they have read in the storage, which may be far away."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import datetime

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from redis import Redis

from backend.metrics import PREFIX
from backend.queue import pending_work
from backend.queue.connection import Keys
from backend.queue.pending_work import Work
from backend.queue.project_info import ProjectInfo


def project_metrics(redis: Redis) -> Iterator[Metric]:
    """One value a project of each metric, in three round trips for all. Raises RedisError."""
    ids = pending_work.projects(redis)
    pendings = pending_work.pendings(redis, ids, Work.TRAINING)
    with redis.pipeline(transaction=False) as pipe:
        for project in ids:
            pipe.hgetall(Keys(project).info)
            pipe.hlen(Keys(project).errors)
        answers = pipe.execute()
    version = _gauge("model_version", "Number of the model version in use, 0 before the first.")
    quality = _gauge(
        "held_out_dice",
        "Mean dice of the version in use on labelled tasks that its networks of the folds had not seen.",
    )
    labels = _gauge(
        "labels",
        "Labelled tasks that the version in use was trained on, and labels that no training has seen.",
        "state",
    )
    written = CounterMetricFamily(
        f"{PREFIX}_project_rounds_written", "Orders put in force in Label Studio.", labels=["project"]
    )
    age = _gauge("round_age_seconds", "Time since the order in force was computed.")
    failing = _gauge("failing_job_kinds", "Kinds of job whose last run failed.")
    for project, facts, errors in zip(ids, answers[::2], answers[1::2], strict=True):
        info = ProjectInfo.from_redis(facts)
        name, key = info.version or "", str(project)
        version.add_metric([key], int(name[1:]) if name[1:].isdigit() else 0)
        labels.add_metric([key, "trained"], info.trained or 0)
        labels.add_metric(
            [key, "waiting"], max(0, pendings[project].labels) if pendings[project].outstanding else 0
        )
        written.add_metric([key], info.rounds_written or 0)
        failing.add_metric([key], errors)
        if info.held_out_dice is not None:
            quality.add_metric([key], info.held_out_dice)
        if info.round_time:
            since = datetime.fromisoformat(info.round_time).timestamp()
            age.add_metric([key], max(0.0, time.time() - since))
    yield from (version, quality, labels, written, age, failing)


def _gauge(name: str, text: str, *more: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"{PREFIX}_project_{name}", text, labels=["project", *more])
