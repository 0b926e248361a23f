"""What people call the images of tasks, their file names, for whoever tells of a task; kept in Redis.

A name that is not known yet, or lost, is found again with the next order; until then a task is a number.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from redis import Redis

from backend.queue.connection import Keys, as_text

LONGEST = 80
"""Characters of a name that are kept, its last ones."""
NAMED = 3
"""Of several tasks, so many are named."""
_TASKS = re.compile(r"(?P<open>\()?(?<![-\w])(?P<noun>tasks?) (?P<numbers>\d+(?:, \d+)*)\b", re.IGNORECASE)
"""How messages speak of tasks: "task 12" or "tasks 12, 13"; not the option --task 12."""


def keep_names(redis: Redis, project_id: int, names: Mapping[int, str]) -> None:
    """Keep the file names of tasks; an empty one says nothing."""
    told: dict[Any, Any] = {str(task): name[-LONGEST:] for task, name in names.items() if name}
    if told:
        redis.hset(Keys(project_id).names, mapping=told)


def read_names(redis: Redis, project_id: int, tasks: Iterable[int]) -> dict[int, str]:
    """The file names of tasks, as far as they are known."""
    wanted = sorted(set(tasks))
    if not wanted:
        return {}
    found = redis.hmget(Keys(project_id).names, [str(task) for task in wanted])
    return {task: as_text(name) for task, name in zip(wanted, found, strict=True) if name}


def call_task(task: int, names: Mapping[int, str]) -> str:
    """What a task is called in a sentence: its file name before its number."""
    return f"{names[task]} (task {task})" if task in names else f"task {task}"


def name_tasks(redis: Redis, project_id: int, texts: Iterable[str]) -> list[str]:
    """Messages with the file names of the tasks that they speak of."""
    told = list(texts)
    numbers = {int(number) for text in told for found in _TASKS.finditer(text) for number in _numbers(found)}
    names = read_names(redis, project_id, numbers)
    return [_TASKS.sub(lambda found: _call(found, names), text) for text in told] if names else told


def _numbers(found: re.Match[str]) -> list[int]:
    return [int(number) for number in found["numbers"].split(", ") if len(number) < 19]


def _call(found: re.Match[str], names: Mapping[int, str]) -> str:
    numbers = _numbers(found)
    known = [names[number] for number in numbers if number in names]
    if not known or len(known) < min(len(numbers), NAMED):
        return found[0]
    listed = ", ".join(known[:NAMED]) + (", ..." if len(numbers) > NAMED else "")
    task = f"{found['noun'].lower()} {found['numbers']}"
    return f"({listed}: {task}" if found["open"] else f"{listed} ({task})"
