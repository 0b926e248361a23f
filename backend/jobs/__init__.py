"""The work behind the web server: trainings, ranking rounds, and looks at the projects, as rq jobs on Redis.

Processes: `python -m backend.jobs.worker control` (a few), `python -m backend.jobs.worker compute` (any number, on any machine), and
`python -m backend.jobs.schedule` (one).
"""

from __future__ import annotations

from backend.jobs.agenda import tick
from backend.jobs.catalogue import plan_rollback, versions
from backend.jobs.following import follow
from backend.jobs.queue import cancel, enqueue_configure, enqueue_rollback, enqueue_round, enqueue_training, enqueue_unskip
from backend.jobs.status import status

__all__ = [
    "cancel",
    "enqueue_configure",
    "enqueue_rollback",
    "enqueue_round",
    "enqueue_training",
    "enqueue_unskip",
    "follow",
    "plan_rollback",
    "status",
    "tick",
    "versions",
]
