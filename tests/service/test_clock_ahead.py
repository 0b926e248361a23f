"""Another machine's clock was ahead, or this one's was put back: what is due does not wait for that time."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress

import httpx
import pytest
from redis import Redis

from backend.errors import LabelStudioError
from backend.jobs import entry_points
from backend.labelstudio.labels.config import EXAMPLE, parse
from backend.project import missing_images
from backend.project.context import open_context
from backend.project.missing_images import Lacks
from backend.queue.pending_work import Pending, Work
from backend.queue.project_info import ProjectInfo
from backend.settings import Settings

HOUR = 3600.0


@pytest.mark.parametrize("work", list(Work))
def test_what_is_wanted_is_done(settings: Settings, work: Work) -> None:
    """Neither when it was wanted nor when it was tried is to come."""
    now = time.time()
    assert Pending(wanted=1, since=now + HOUR).due(work, settings, now)
    assert Pending(wanted=1, since=now - HOUR, tried=now + HOUR, failures=1).due(work, settings, now)


def test_a_clock_that_is_a_little_ahead_takes_no_pause_away(settings: Settings) -> None:
    """Labels that are still coming are waited for, by two machines as by one."""
    now = time.time()
    assert settings.quiet_seconds > 2
    assert not Pending(wanted=1, since=now + 1).due(Work.TRAINING, settings, now)
    failed = Pending(wanted=1, since=now - HOUR, tried=now + 1, failures=1)
    assert not failed.due(Work.TRAINING, settings, now)


@pytest.mark.parametrize(("ahead", "waits"), [(30.0, True), (HOUR, False)])
@pytest.mark.usefixtures("settings")
def test_missing_images_are_tried(redis: Redis, ahead: float, waits: bool) -> None:
    """A time that no machine sets, all clocks right, is none to wait for."""
    context, told = open_context(1), time.time() + ahead
    missing_images.add(context, Lacks.MASK, [5])
    ProjectInfo(missing_tried=told).save(redis, 1)
    with suppress(LabelStudioError):  # there is none here
        missing_images.returned(context, parse(EXAMPLE))
    assert (ProjectInfo.load(redis, 1).missing_tried == pytest.approx(told, rel=0, abs=1)) == waits


def test_a_project_is_synced_in_full(
    redis: Redis, use_label_studio: Callable[..., httpx.Client], image_url: Callable[[int], str]
) -> None:
    """A sync that found nothing to do noted when that was."""
    http = use_label_studio()
    body = {"title": "Ahead", "label_config": EXAMPLE}
    project = int(http.post("/api/projects", json=body).raise_for_status().json()["id"])
    tasks = [{"data": {"image": image_url(number)}} for number in range(2)]
    http.post(f"/api/projects/{project}/import", json=tasks).raise_for_status()
    entry_points.write_first_order(project)
    entry_points.look(project)
    when, _, state = (ProjectInfo.load(redis, project).looked or "").partition(" ")
    assert float(when) <= time.time()
    ProjectInfo(looked=f"{time.time() + HOUR} {state}").save(redis, project)
    entry_points.look(project)
    assert float((ProjectInfo.load(redis, project).looked or "").partition(" ")[0]) <= time.time()
