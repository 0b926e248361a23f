"""Events that came while Redis was away, kept in the web process until it is back, so that a restart of Redis
loses none."""

from __future__ import annotations

import logging
import threading
from collections import deque

from redis import Redis
from redis.exceptions import RedisError

from backend.queue import pending_work
from backend.queue.pending_work import Event

log = logging.getLogger(__name__)

SECONDS_BETWEEN_TRIES = 1.0
MOST_EVENTS = 100_000
"""Kept at most, the oldest dropped first: the sync finds labels that no event told of."""


class Backlog:
    """Records events, now or as soon as Redis answers again, in their order."""

    def __init__(self, redis: Redis) -> None:
        """`redis` should fail fast: Label Studio waits one second inside the annotator's click."""
        self._redis = redis
        self._waiting: deque[tuple[int, Event]] = deque(maxlen=MOST_EVENTS)
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def __len__(self) -> int:
        return len(self._waiting)

    def record(self, project_id: int, event: Event) -> bool:
        """Record an event; tells whether Redis has it already."""
        if not self._waiting:
            try:
                pending_work.record(self._redis, project_id, event)
                return True
            except RedisError as error:
                log.warning("Redis is away (%s); events wait in this process", error)
        with self._lock:
            self._waiting.append((project_id, event))
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._drain, name="backlog", daemon=True)
                self._thread.start()
        return False

    def _drain(self) -> None:
        pause = threading.Event()
        while True:
            with self._lock:
                if not self._waiting:
                    self._thread = None
                    return
                project_id, event = self._waiting[0]
            try:
                pending_work.record(self._redis, project_id, event)
            except RedisError:
                pause.wait(SECONDS_BETWEEN_TRIES)
                continue
            with self._lock:
                if self._waiting and self._waiting[0] == (project_id, event):
                    self._waiting.popleft()
                if not self._waiting:
                    log.info("Redis is back; all events are recorded")
