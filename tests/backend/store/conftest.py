"""Where the versions of a project lie."""

from __future__ import annotations

from pathlib import Path

import pytest

from backend.store.storage import Storage
from backend.store.versions import Versions


@pytest.fixture
def versions(tmp_path: Path) -> Versions:
    return Versions(Storage(tmp_path), 7)
