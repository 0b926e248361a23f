"""The models that the web server keeps in memory."""

from __future__ import annotations

from pathlib import Path

import pytest

from backend.project.context import open_context
from backend.run.redis_server import EmbeddedRedis
from backend.web.segmenter import Models
from tests.service.conftest import TINY, publish_version, use_settings


def test_the_model_used_longest_ago_goes_first(
    redis_server: EmbeddedRedis, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many projects there are, MODELS_KEPT of them are in memory;
    another version takes the place of the one before."""
    settings = use_settings(
        monkeypatch, redis_url=redis_server.address, model_dir=tmp_path, recipe=TINY, models_kept=2
    )
    for project in (1, 2, 3):
        publish_version(settings.model_dir, project, steps=2)
    publish_version(settings.model_dir, 3, "v2", steps=2)
    models = Models()
    first, second = (models.get(open_context(project), "v1") for project in (1, 2))
    assert models.get(open_context(1), "v1") is first
    third = models.get(open_context(3), "v1")
    assert models.get(open_context(1), "v1") is first
    assert models.get(open_context(3), "v1") is third
    assert models.get(open_context(2), "v1") is not second
    kept = models.get(open_context(1), "v1")
    assert kept is not first
    assert models.get(open_context(3), "v2").version == "v2"
    assert models.get(open_context(1), "v1") is kept
