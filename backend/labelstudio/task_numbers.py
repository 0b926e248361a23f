"""Tasks by their numbers, as messages name them."""

from __future__ import annotations

from collections.abc import Collection


def list_tasks(tasks: Collection[int], most: int = 20, count: int | None = None) -> str:
    """The first `most` of them in words, such as "tasks 3, 5 and 7 more".
    `count` is how many there are where `tasks` holds only some."""
    count = len(tasks) if count is None else count
    more = f" and {count - most} more" if count > most else ""
    return f"task{'' if count == 1 else 's'} {', '.join(map(str, sorted(tasks)[:most]))}{more}"
