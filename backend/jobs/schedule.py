"""What happens by itself: rq's cron, the look at each project, and the night."""

from __future__ import annotations


def tick() -> None:
    """Look at every project: new tasks, finished batches, labels that no event told of; starts what is due."""
    raise NotImplementedError
