"""How long a project's first training will take on this machine, told before it begins."""

from __future__ import annotations

import logging
import time

import numpy as np

from backend.errors import BackendError
from backend.jobs.training import planned_steps
from backend.project.context import Context, Setup
from backend.queue.connection import as_text, step_seconds
from backend.queue.progress import Progress
from backend.queue.project_info import ProjectInfo
from model.errors import ModelError
from model.hashing import digest
from model.network.training import train

log = logging.getLogger(__name__)

STEPS_TRIED = 3
"""The first also pays for allocations, so it is not counted."""
MEASURED_SECONDS = 3600
"""How long what was timed is believed:
for each, a worker for short jobs loads the networks' libraries, which takes seconds."""


def note_estimate(context: Context, progress: Progress) -> None:
    """Keep what the project's first training will take, from a few steps that are timed;
    only tells, so it never fails.

    Projects of one recipe share what was timed.
    """
    try:
        setup = context.setup()
        seconds = _step_seconds(context, setup, progress) * planned_steps(setup.recipe, setup.options.folds)
    except (BackendError, ModelError, RuntimeError) as error:
        log.info("the time of a training is not known: %s", error)
        return
    ProjectInfo(training_estimate=round(max(seconds, 0.1), 1)).save(context.redis, context.project_id)
    log.info("a training takes about %.0f s on this machine", seconds)


def _step_seconds(context: Context, setup: Setup, progress: Progress) -> float:
    measured = step_seconds(digest(setup.recipe.to_dict(), setup.config.classes))
    if known := context.redis.get(measured):
        return float(as_text(known))
    seconds = time_a_step(setup, progress)
    context.redis.set(measured, f"{seconds:.6f}", ex=MEASURED_SECONDS)
    return seconds


def time_a_step(setup: Setup, progress: Progress) -> float:
    """Seconds that a step of a training takes here, while nothing else runs than does now."""
    side = setup.recipe.crop
    noise = np.random.default_rng(0).random((side, side, 3), dtype=np.float32)
    mask = np.zeros((side, side), dtype=np.uint8)
    moments: list[float] = []

    def on_step(step: int, steps: int) -> None:
        moments.append(time.monotonic())
        progress("Timing a training", step, steps)

    train(
        [noise],
        [mask],
        classes=setup.config.classes,
        recipe=setup.recipe,
        seed=0,
        steps=STEPS_TRIED,
        on_step=on_step,
    )
    return (time.monotonic() - moments[0]) / (len(moments) - 1)  # a GPU has not done its steps before
