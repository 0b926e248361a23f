"""Why an image is where it is in the order, for the annotator who has it open.

Label Studio's Info panel shows the text beside the region that is selected.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from backend.labelstudio.http.answers import Region
from backend.store.round_record import Place, RoundRecord
from model.reason import describe_reason

LONGEST = 300
"""Characters of a reason that the narrow panel shows in a few lines."""


def explain(regions: Mapping[int, Sequence[Region]], record: RoundRecord) -> dict[int, list[Region]]:
    """The regions of tasks (by task id), each with the reason for the task's place in a round's record;
    tasks without one stay as they are.

    Label Studio hands the text on with the annotation that is made of the mask; nothing here reads it there.
    """
    places = {task: rank for rank, task in enumerate(record.order, start=1)}
    queries = record.queries
    explained: dict[int, list[Region]] = {}
    for task, shown in regions.items():
        reason = describe_reason(queries.get(task, Place()).reason, "task")
        if reason and shown and task in places:
            text = _text(reason, places[task], len(places), len(record.labels))
            explained[task] = [{**region, "meta": {"text": [text]}} for region in shown]
        else:
            explained[task] = list(shown)
    return explained


def _text(reason: str, place: int, count: int, labelled: int) -> str:
    short = reason if len(reason) <= LONGEST else f"{reason[:LONGEST]}..."
    return (
        f"Number {place} of {count} in the recommended order: {short}. When it was computed, {labelled} were"
        " labelled."
    )
