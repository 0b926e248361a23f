"""Which images jobs have in hand, so that one whose work kills its process, each time, is found out and left
out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cached_property

from redis import Redis
from redis.exceptions import RedisError
from rq.job import Job

from backend.errors import TaskImageError
from backend.labelstudio.room import ROOM
from backend.queue.connection import Keys, as_text
from model.data.images.header import decoding_pixels

MOST_KILLS = 2
"""After so many killed processes an image is left out:
at the first others may have been in hand as well, at the second it was alone."""
REMEMBERED_SECONDS = 24 * 3600
"""Then it is tried again: another program may have taken the memory."""


class InHand:
    """The images that one job works on."""

    def __init__(self, redis: Redis, project_id: int, job_id: str) -> None:
        """Without a `job_id` (the web server) nothing is noted; what jobs have found out holds."""
        self._redis, self._keys, self._job_id = redis, Keys(project_id), job_id

    @cached_property
    def _kills(self) -> Counter[str]:
        """Processes that were killed with a task's image in hand, by task id, as the job began."""
        with suppress(RedisError):
            return Counter(
                {as_text(task): int(times) for task, times in self._redis.hgetall(self._keys.kills).items()}
            )
        return Counter()

    def require_harmless(self, task_id: int | str) -> None:
        """Raise TaskImageError for an image that has killed its process again and again."""
        times = self._kills[str(task_id)]
        if times >= MOST_KILLS:
            raise TaskImageError(
                f"task {task_id}: {times} times the worker was killed while it worked on its image, perhaps"
                " as memory ran out; it is left out and tried again tomorrow. Cut it into tiles, export it"
                " again or smaller, or give this machine more memory.",
                lasting=True,
            )

    @contextmanager
    def work(self, task_id: int | str, content: bytes) -> Iterator[None]:
        """Work on the image of a task; alone in this process if one was killed with it.
        Raises TaskImageError as `require_harmless`."""
        self.require_harmless(task_id)
        task = str(task_id)
        suspect = self._kills[task] > 0
        with ROOM.take(decoding_pixels(content, f"task {task}"), alone=suspect):
            self._note("hset", self._keys.in_hand, f"{self._job_id} {task}", "")
            try:
                yield
            finally:
                self._note("hdel", self._keys.in_hand, f"{self._job_id} {task}")
        if suspect:
            del self._kills[task]
            self._note("hdel", self._keys.kills, task)

    def _note(self, command: str, key: str, *arguments: str) -> None:
        if self._job_id:
            with suppress(RedisError):  # away for a moment; the work goes on
                getattr(self._redis, command)(key, *arguments)


def blame(job: Job) -> None:
    """The process of a job was killed: what it had in hand is suspected.
    To be called by who sees that it is dead."""
    project_id = job.meta.get("project")
    if project_id is None:
        return
    redis, keys = job.connection, Keys(int(project_id))
    with suppress(RedisError):
        held = [
            as_text(name) for name in redis.hkeys(keys.in_hand) if as_text(name).partition(" ")[0] == job.id
        ]
        for name in held:
            if redis.hdel(keys.in_hand, name):
                redis.hincrby(keys.kills, name.partition(" ")[2], 1)
        if held:
            redis.expire(keys.kills, REMEMBERED_SECONDS)
