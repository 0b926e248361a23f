"""What annotators were shown is kept, and compared with what they submit."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from backend.errors import StorageError
from backend.labelstudio.labels.config import EXAMPLE, parse
from backend.labelstudio.labels.regions import from_mask
from backend.project.live_quality import FILE, LiveQuality, read
from backend.store.shown_masks import DrawnMasks, opened_at
from backend.store.storage import Storage

CONFIG = parse(EXAMPLE)
FOLDER = "projects/3"


def square(rows: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """A mask whose first `rows` rows are foreground."""
    mask = np.zeros((20, 30), dtype=np.uint8)
    mask[:rows] = 1
    return mask


def annotation(
    number: int, seconds_after_now: float, lead_time: float = 0.0, updated: str = "a"
) -> dict[str, Any]:
    when = datetime.now(UTC) + timedelta(seconds=seconds_after_now)
    return {
        "id": number,
        "created_at": when.isoformat().replace("+00:00", "Z"),
        "updated_at": updated,
        "lead_time": lead_time,
    }


@pytest.fixture
def storage(tmp_path: Path) -> Storage:
    """A round v1.r1 that shows masks of ten rows on tasks 5 and 6, and nothing on task 7."""
    storage = Storage(tmp_path)
    drawn = DrawnMasks(storage, FOLDER)
    drawn.keep("v1.r1", "v1", {5: from_mask(square(10), CONFIG), 6: from_mask(square(10), CONFIG), 7: []})
    drawn.show("v1.r1")
    return storage


def test_a_submit_is_compared_with_the_mask_that_was_shown(storage: Storage) -> None:
    live = LiveQuality(storage, FOLDER, CONFIG)
    live.see(5, annotation(50, 60), square(10))
    live.see(6, annotation(60, 90), square(5))
    live.see(7, annotation(70, 120), square(5))
    live.see(8, annotation(80, 150), square(5))  # no mask was drawn on it
    live.save()
    found = read(storage, FOLDER)
    assert [(entry.task, entry.dice, entry.round, entry.version) for entry in found] == [
        (5, 1.0, "v1.r1", "v1"),
        (6, 0.6667, "v1.r1", "v1"),
        (7, 0.0, "v1.r1", "v1"),
    ]


def test_only_the_same_pixels_are_submitted_unchanged(storage: Storage) -> None:
    """A small correction of a large mask is work; an empty mask that stays empty tells nothing."""
    live = LiveQuality(storage, FOLDER, CONFIG)
    corrected = square(10)
    corrected[0, 0] = 0
    live.see(5, annotation(50, 60), square(10))
    live.see(6, annotation(60, 90), corrected)
    live.see(7, annotation(70, 120), square(0))
    live.save()
    assert [entry.unchanged for entry in read(storage, FOLDER)] == [True, False, False]


def test_a_task_opened_before_the_switch_is_compared_with_the_round_on_show_then(storage: Storage) -> None:
    drawn = DrawnMasks(storage, FOLDER)
    drawn.keep("v2.r2", "v2", {5: from_mask(square(5), CONFIG)})
    storage.write_json(
        f"{FOLDER}/rounds/v2.r2/drawn/since.json", {"since": datetime.now(UTC).timestamp() + 100}
    )
    live = LiveQuality(storage, FOLDER, CONFIG)
    live.see(5, annotation(50, 130, lead_time=60), square(10))
    live.see(5, annotation(51, 130, lead_time=20), square(10))
    live.see(5, annotation(52, -60), square(10))  # before any round
    live.save()
    assert {entry.annotation: entry.version for entry in read(storage, FOLDER)} == {50: "v1", 51: "v2"}


def test_the_entries_outlive_the_rounds_and_follow_changes_of_a_label(storage: Storage) -> None:
    first = LiveQuality(storage, FOLDER, CONFIG)
    first.see(5, annotation(50, 60), square(10))
    first.see(6, annotation(60, 60), square(10))
    first.save()
    second = LiveQuality(storage, FOLDER, CONFIG)
    second.see(5, annotation(50, 60, updated="b"), square(5))
    second.save()
    storage.remove(f"{FOLDER}/rounds/v1.r1")
    third = LiveQuality(storage, FOLDER, CONFIG)
    third.see(
        6, annotation(60, 60, updated="b"), square(5)
    )  # nothing to compare with any more: the first figure stays
    third.save()
    assert {entry.annotation: entry.dice for entry in read(storage, FOLDER)} == {50: 0.6667, 60: 1.0}


def test_damaged_files_lose_nothing_and_stop_nothing(storage: Storage) -> None:
    (storage.path(f"{FOLDER}/rounds/v1.r1/drawn") / "9.zip").write_bytes(b"no archive")
    storage.path(f"{FOLDER}/{FILE}").write_text("{half")
    with pytest.raises(StorageError, match="backup"):
        read(storage, FOLDER)
    live = LiveQuality(storage, FOLDER, CONFIG)
    live.see(5, annotation(50, 60), square(10))
    live.save()
    assert storage.path(f"{FOLDER}/{FILE}.damaged").read_text() == "{half"
    (storage.path(f"{FOLDER}/rounds/v1.r1/drawn") / "9.zip").unlink()
    again = LiveQuality(storage, FOLDER, CONFIG)
    again.see(5, annotation(50, 60), square(10))
    again.save()
    assert len(read(storage, FOLDER)) == 1


def test_an_image_replaced_since_is_passed_over(storage: Storage) -> None:
    live = LiveQuality(storage, FOLDER, CONFIG)
    live.see(5, annotation(50, 60), np.zeros((40, 40), dtype=np.uint8))
    live.save()
    assert read(storage, FOLDER) == []


def test_masks_drawn_later_take_the_place_of_earlier_ones(storage: Storage) -> None:
    drawn = DrawnMasks(storage, FOLDER)
    drawn.keep("v1.r1", "v2", {5: from_mask(square(5), CONFIG)})
    found, other = drawn.find("v1.r1", 5), drawn.find("v1.r1", 6)
    assert found is not None
    assert other is not None
    assert (found.version, other.version) == ("v2", "v1")


def test_times_as_label_studio_writes_them() -> None:
    assert (
        opened_at({"created_at": "2026-11-23T09:00:10.5Z", "lead_time": 10.5})
        == datetime(2026, 11, 23, 9, tzinfo=UTC).timestamp()
    )
    assert (
        opened_at({"created_at": "2026-11-23T09:00:00Z", "lead_time": None})
        == datetime(2026, 11, 23, 9, tzinfo=UTC).timestamp()
    )
    assert opened_at({}) is None
