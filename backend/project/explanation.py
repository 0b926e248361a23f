"""Why an image is where it is in the order, for the annotator who has it open.

Label Studio's Info panel shows the text beside the region that is selected.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from backend.labelstudio.http.answers import Region
from backend.store.round_record import Place, RoundRecord
from model.reason import Reason, describe_reason, summarise_reason, summary_parts

LONGEST = 400
"""Characters of a reason that the narrow panel shows in a few lines."""


def explain(
    regions: Mapping[int, Sequence[Region]],
    record: RoundRecord,
    read_names: Callable[[Iterable[int]], Mapping[int, str]],
) -> dict[int, list[Region]]:
    """The regions of tasks (by task id), each with the reason for the task's place in a round's record;
    tasks without one stay as they are. `read_names` tells the file names of tasks, as far as they are known.

    Label Studio hands the text on with the annotation that is made of the mask; nothing here reads it there.
    """
    places = {task: rank for rank, task in enumerate(record.order, start=1)}
    reasons = {task: record.queries.get(task, Place()).reason for task in regions}
    names = read_names(filter(None, map(image_of, reasons.values())))
    explained: dict[int, list[Region]] = {}
    for task, shown in regions.items():
        reason = reasons[task]
        if reason and shown and task in places:
            text = _text(reason, names, places[task], len(places), len(record.labels))
            explained[task] = [{**region, "meta": {"text": [text]}} for region in shown]
        else:
            explained[task] = list(shown)
    return explained


def _text(reason: Reason | str, names: Mapping[int, str], place: int, count: int, labelled: int) -> str:
    short, full = (
        words(reason, lambda image: call_image(image, names)) for words in (summarise_reason, describe_reason)
    )
    told = f"{short}." if short == full else f"{short}. In figures: {full}."
    told = told if len(told) <= LONGEST else f"{told[:LONGEST]}..."
    return (
        f"Number {place} of {count} in the recommended order: {told} When it was computed, {labelled} were"
        " labelled."
    )


def image_of(reason: Reason | str) -> int:
    """The task whose image a reason names; 0 where it names none."""
    named = summary_parts(reason)[1]
    return int(named) if named.isdigit() else 0


def call_image(image: str, names: Mapping[int, str]) -> str:
    """What people call the image of a task, by its id as text."""
    return names.get(int(image), f"task {image}") if image.isdigit() else image
