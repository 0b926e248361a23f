"""What is looked up at each scrape, in bounded time and whatever is broken:
an answer that says so is what an alarm needs."""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from redis import Redis
from redis.exceptions import RedisError

from backend.metrics import PREFIX
from backend.metrics.counters import COUNTERS
from backend.metrics.jobs import job_metrics
from backend.metrics.projects import project_metrics
from backend.queue.backlog import Backlog

log = logging.getLogger(__name__)


class ServiceCollector(Collector):
    """The state of the service;
    `redis` should fail fast, as each of a handful of round trips may wait for it."""

    def __init__(self, redis: Redis, backlog: Backlog, folder: Path) -> None:
        """`folder` is MODEL_DIR."""
        self._redis = redis
        self._backlog = backlog
        self._folder = folder

    def describe(self) -> list[Metric]:
        """Nothing: else the registry would scrape once to learn the names."""
        return []

    def collect(self) -> Iterator[Metric]:
        """All families; those that need Redis are missing while it is away."""
        up = GaugeMetricFamily(f"{PREFIX}_up", "1 if the service can use this part, else 0.", labels=["part"])
        found: list[Metric] = []
        try:
            found = [*job_metrics(self._redis), *project_metrics(self._redis)]
            up.add_metric(["redis"], 1)
        except RedisError as error:
            log.warning("metrics without Redis: %s", error)
            up.add_metric(["redis"], 0)
        up.add_metric(["storage"], float(os.access(self._folder, os.W_OK)))
        yield up
        if self._folder.exists():
            free = shutil.disk_usage(self._folder).free
            yield GaugeMetricFamily(
                f"{PREFIX}_storage_free_bytes", "Free space of the disk that MODEL_DIR is on.", value=free
            )
        yield GaugeMetricFamily(
            f"{PREFIX}_events_held",
            "Events that wait in the web process for Redis to come back.",
            value=len(self._backlog),
        )
        yield from found


def create_registry(collector: ServiceCollector) -> CollectorRegistry:
    """All that GET /metrics tells, the process's own memory, processor time and open files included."""
    registry = CollectorRegistry()
    for counter in COUNTERS:
        registry.register(counter)
    registry.register(collector)
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    GCCollector(registry=registry)
    return registry
