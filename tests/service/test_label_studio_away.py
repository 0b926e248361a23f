"""Jobs that cannot work with Label Studio say why, and what was to be done is done once that is fixed."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest
from label_studio_ml.model import LabelStudioMLBase
from redis import Redis

from backend.demo.server import LabelStudioServer
from backend.errors import BackendError
from backend.jobs import due_work, entry_points
from backend.labelstudio.labels.config import EXAMPLE
from backend.queue import pending_work, project_jobs
from backend.queue.pending_work import Event, Work
from backend.run.redis_server import EmbeddedRedis
from backend.run.scheduler import create_scheduler
from backend.settings import Settings
from backend.web.segmenter import Segmenter
from tests.service.conftest import TINY, use_settings
from tests.states import read_status


def test_told_kept_and_done_later(
    redis: Redis,
    redis_server: EmbeddedRedis,
    label_studio: LabelStudioServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """First Label Studio does not answer, then the key is wrong, then all is well."""
    headers = {"Authorization": f"Token {label_studio.token}"}
    answer = httpx.post(
        f"{label_studio.url}/api/projects",
        json={"title": "Away", "label_config": EXAMPLE},
        headers=headers,
        timeout=60,
    )
    project = int(answer.raise_for_status().json()["id"])
    pending_work.register(redis, project)
    pending_work.record(redis, project, Event(Work.TRAINING, 1, (1,)))

    def settings(url: str, key: str) -> Settings:
        return use_settings(
            monkeypatch,
            redis_url=redis_server.address,
            model_dir=tmp_path,
            recipe=TINY,
            label_studio_url=url,
            label_studio_api_key=key,
        )

    for url, key, message in (
        ("http://127.0.0.1:9", label_studio.token, "http://127.0.0.1:9 does not answer"),
        (label_studio.url, "0" * 40, "LABEL_STUDIO_API_KEY"),
    ):
        settings(url, key)
        with pytest.raises(BackendError):
            entry_points.train(project, "new labels")
        assert message in read_status(project)["last_error"]["message"]
        pending = pending_work.pending(redis, project, Work.TRAINING)
        assert (pending.outstanding, pending.labels) == (True, 1)

    settings(label_studio.url, label_studio.token)
    assert entry_points.train(project, "new labels")["reason"] == "no label yet"
    assert read_status(project)["last_error"] is None
    assert not pending_work.pending(redis, project, Work.TRAINING).outstanding

    due_work.nightly()  # there is no order yet
    assert project_jobs.waiting(redis, project) == [project_jobs.START]


def test_the_schedule(redis: Redis, settings: Settings) -> None:
    """rq's cron looks at the projects each minute, and ranks them at night, if it is to."""
    jobs = create_scheduler(redis, settings).get_jobs()
    assert [(job.func_name.rsplit(".", 1)[-1], job.interval, job.cron) for job in jobs] == [
        ("tick", 60, None),
        ("nightly", None, "0 2 * * *"),
    ]
    off = settings.model_copy(update={"nightly": "off"})
    assert len(create_scheduler(redis, off).get_jobs()) == 1


def test_the_model_is_one_of_label_studio_s_package() -> None:
    """With the two methods that its users know."""
    assert issubclass(Segmenter, LabelStudioMLBase)
    assert {"predict", "fit"} <= vars(Segmenter).keys()
