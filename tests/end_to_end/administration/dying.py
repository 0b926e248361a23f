"""Rollbacks that are killed:
run as a program, it reads lines "project version job step", and dies at that step in a fork for each.

A process of its own, because what a fork inherits must not have used torch; a job's worker has not either.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from typing import Any

from backend.jobs import rollback
from backend.labelstudio.order import priorities
from backend.project.context import open_context
from backend.queue.progress import Progress


def main() -> None:
    """Answer each line with how the fork ended, as a number of `waitpid`."""
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            try:
                _run(*line.split())
            finally:
                os._exit(3)
        print(os.waitpid(child, 0)[1], flush=True)


def _run(project: str, version: str, job: str, at: str) -> None:
    write = priorities.write_order

    def killed(*arguments: Any, checkpoint: Callable[[str], None], **keywords: Any) -> Any:
        def step(name: str) -> None:
            if name == at:
                os.kill(os.getpid(), signal.SIGKILL)
            checkpoint(name)

        return write(*arguments, checkpoint=step, **keywords)

    priorities.write_order = killed  # type: ignore[assignment]
    context = open_context(int(project))
    rollback.roll_back(
        context,
        Progress(context.redis, context.project_id, job, "rollback"),
        rollback.Request(version, "test", ""),
        job_id=job,
    )


if __name__ == "__main__":
    main()
