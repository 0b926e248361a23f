"""Tests of which annotation counts."""

from typing import Any

from backend.labelstudio.labels.annotations import chosen


def annotation(number: int, second: int, **fields: Any) -> dict[str, Any]:
    return {
        "id": number,
        "updated_at": f"2026-01-01T00:00:{second:02d}.000000Z",
        "was_cancelled": False,
        "ground_truth": False,
        **fields,
    }


def test_the_latest_not_cancelled_annotation_counts() -> None:
    task = {"annotations": [annotation(1, 5), annotation(2, 9, was_cancelled=True), annotation(3, 4)]}
    assert (chosen(task) or {})["id"] == 1


def test_a_ground_truth_counts_before_all_others() -> None:
    task = {
        "annotations": [
            annotation(1, 1, ground_truth=True),
            annotation(2, 9),
            annotation(3, 0, ground_truth=True),
        ]
    }
    assert (chosen(task) or {})["id"] == 1


def test_a_skipped_task_has_no_label() -> None:
    task = {"annotations": [annotation(1, 1, was_cancelled=True)], "drafts": [{"id": 4, "result": []}]}
    assert chosen(task) is None


def test_a_task_without_annotations_has_no_label() -> None:
    tasks: list[dict[str, Any]] = [{}, {"annotations": None}, {"annotations": []}]
    for task in tasks:
        assert chosen(task) is None


def test_the_higher_id_decides_between_equal_times() -> None:
    assert (chosen({"annotations": [annotation(7, 1), annotation(6, 1)]}) or {})["id"] == 7
