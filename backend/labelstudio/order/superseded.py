"""Predictions of orders that have been superseded:
they stay while somebody may have one open, and go bit by bit afterwards.

A labelling page names the prediction that it shows when it is submitted, and Label Studio refuses what names
one that is gone. Who has opened what cannot be asked of Label Studio, so all of an order stay.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection

from backend.labelstudio.client import LabelStudio
from backend.labelstudio.http.answers import Task
from backend.labelstudio.order.rounds import is_round, round_number

NAMED = "labelled"
"""Version of the predictions that labels were made from. They stay:
the page of a submitted label names its prediction at each Update."""

log = logging.getLogger(__name__)


def rounds_kept(client: LabelStudio, project_id: int) -> list[str]:
    """All rounds that have predictions in Label Studio, the oldest first."""
    return sorted(
        (version for version, count in client.versions(project_id).items() if count and is_round(version)),
        key=round_number,
    )


def remove(
    client: LabelStudio, project_id: int, rounds: Collection[str], *, go_on: Callable[[], bool]
) -> int:
    """Delete the predictions of rounds task by task, until `go_on` says no; returns how many went.

    One by one, because Label Studio deletes a version in one transaction, 6 to 20 s for 1000 predictions, in
    which submits wait. A prediction that a label was made from stays, as NAMED.
    """
    done = 0
    for version in sorted(rounds, key=round_number):
        for task_id in client.holding(project_id, version):
            if not go_on():
                return done
            done += _remove_from(client, task_id, rounds)
    return done


def _remove_from(client: LabelStudio, task_id: int, rounds: Collection[str]) -> int:
    task: Task = client.task(task_id) or {}  # with its predictions of all versions
    named = {annotation.get("parent_prediction") for annotation in task.get("annotations") or []}
    gone = [int(item["id"]) for item in task.get("predictions") or [] if item["model_version"] in rounds]
    for prediction in set(gone) & named:
        client.update_prediction(prediction, model_version=NAMED)
    client.delete_predictions(set(gone) - named)
    return len(gone)
