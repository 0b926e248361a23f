"""Predictions that Label Studio holds: one for each version and task, with the mask that it draws."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from backend.errors import LabelStudioError
from backend.labelstudio.http.answers import Region
from backend.labelstudio.http.sdk_client import SdkClient

DELETERS = 4
"""Requests at a time where Label Studio has no bulk form."""


@dataclass(frozen=True)
class StoredPrediction:
    """A prediction in Label Studio, without its regions."""

    id: int
    task_id: int
    score: float | None
    model_version: str
    regions: int  # how many regions it draws


class Predictions(SdkClient):
    """Read, write and delete predictions."""

    def versions(self, project_id: int) -> dict[str, int]:
        """Versions of the project's predictions and how many of each there are."""
        found = self._found(lambda: self._own.model_versions(project_id))
        if found is None:
            raise self._unknown(project_id)
        return found

    def predictions(self, project_id: int, version: str) -> list[StoredPrediction]:
        """All predictions of one version, by task id then id. For tests:
        Label Studio sends all regions of all versions."""
        listed = self._list(lambda: self._sdk.predictions.with_raw_response.list(project=project_id))
        found = [_prediction(item) for item in listed]
        return sorted(
            (item for item in found if item.model_version == version),
            key=lambda item: (item.task_id, item.id),
        )

    def task_predictions(self, task_id: int) -> list[StoredPrediction]:
        """The predictions of one task, all versions, by id; none of a deleted task."""
        found = [_prediction(item) for item in self._predictions_of(task_id)]
        return sorted(found, key=lambda item: item.id)

    def task_regions(self, task_id: int, version: str) -> dict[int, list[Region]]:
        """The regions of a task's predictions of one version, by the prediction's id;
        empty for a deleted task."""
        return {
            int(item["id"]): list(item.get("result") or [])
            for item in self._predictions_of(task_id)
            if item.get("model_version") == version
        }

    def _predictions_of(self, task_id: int) -> list[Any]:
        try:
            return self._list(lambda: self._sdk.predictions.with_raw_response.list(task=task_id))
        except LabelStudioError as error:
            if error.status != 400:  # what Label Studio answers to the id of a deleted task
                raise
            return []

    def import_predictions(self, project_id: int, predictions: Sequence[Mapping[str, object]]) -> int:
        """Write predictions {"task", "result", "score", "model_version"} in bulk;
        returns how many Label Studio says it created.

        It SILENTLY drops scores outside [0, 1], unknown labels, controls and tasks: compare the number.
        Not repeated on a failure in between, after which some may have been written.
        """
        return self._own.import_predictions(project_id, predictions)

    def update_prediction(self, prediction_id: int, **fields: Any) -> bool:
        """Change a prediction in place; False if it is gone."""
        if "result" in fields:  # a mask
            return self._found(lambda: self._own.update_prediction(prediction_id, fields)) is not None
        predictions = self._sdk.predictions.with_raw_response
        changed = self._find(lambda: predictions.update(prediction_id, **fields))
        return changed is not None

    def delete_version(self, project_id: int, version: str) -> int:
        """Delete all predictions of one version, and with them the project's choice of it;
        returns how many there were."""
        before = self.versions(project_id).get(version, 0)
        if before:
            self._own.delete_model_version(project_id, version)
        return before

    def delete_predictions(self, ids: Iterable[int]) -> int:
        """Delete single predictions; those already gone are passed over. Returns how many were there."""
        wanted = sorted(set(ids))
        if not wanted:
            return 0
        predictions = self._sdk.predictions.with_raw_response
        with ThreadPoolExecutor(max_workers=min(DELETERS, len(wanted))) as pool:
            return sum(pool.map(lambda each: self._delete(lambda: predictions.delete(each)), wanted))


def _prediction(item: Mapping[str, Any]) -> StoredPrediction:
    return StoredPrediction(
        int(item["id"]),
        int(item["task"]),
        item.get("score"),
        str(item.get("model_version") or ""),
        len(item.get("result") or []),
    )
