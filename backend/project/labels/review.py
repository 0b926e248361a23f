"""What people should know of a project's labels, and which of them tell nothing about how good a model is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection

from backend.labelstudio.labels.config import LabelConfig
from backend.labelstudio.task_numbers import list_tasks
from backend.project.labels.labels import Labels
from model.data.masks.small_objects import warn_of_losses

SUBJECT = "labels"
"""Notes about labels have a subject that begins with it."""
MOST_TASKS_NAMED = 5


def name_task(task: str, problem: str) -> str:
    """A problem of a task's label with the task's number in front, which most problems name themselves."""
    return problem if problem.startswith(f"task {task}") else f"task {task}: {problem}"


def undecisive(labels: Labels) -> list[str]:
    """Tasks whose label must not decide which version is better, in the order of task ids.

    A label without any object, or one that covers everything, is met exactly by a model that has learnt
    nothing; one that is the same on several images by a model that knows it by heart.
    """
    count = Counter(labels.digests[task] for task in labels.ids)
    return [task for task in labels.ids if len(labels.present[task]) == 1 or count[labels.digests[task]] > 1]


def nothing_to_learn(labels: Labels) -> str:
    """Why no model can be trained on the labels; empty if one can.
    They need to hold two classes, background included."""
    found = {class_id for task in labels.ids for class_id in labels.present[task]}
    if not labels.ids or len(found) > 1:
        return ""
    count = len(labels.ids)
    what = "marks nothing" if found == {0} else "marks every pixel"
    return (
        f"{_all_of(count)} {what}, so that there is nothing to learn from; "
        "mark the objects in one image with the brush or a polygon, leave the rest unmarked, and submit"
    )


def review(labels: Labels, config: LabelConfig) -> dict[str, str]:
    """A sentence for each thing that looks wrong, by the subject of the note that tells it;
    an empty one where nothing does."""
    blank = [task for task in labels.ids if labels.present[task] == [0]]
    covered = [
        task for task in labels.ids if 0 not in labels.present[task] and len(labels.present[task]) == 1
    ]
    return {
        SUBJECT: _left_out(labels),
        f"{SUBJECT}: gone": _gone(labels, config),
        f"{SUBJECT}: empty": _empty(labels, blank),
        f"{SUBJECT}: covered": _covered(covered),
        f"{SUBJECT}: identical": _identical(labels),
        f"{SUBJECT}: classes": _classes(labels, config),
        f"{SUBJECT}: overlaps": _overlaps(labels),
        f"{SUBJECT}: small": _small(labels),
    }


def _left_out(labels: Labels) -> str:
    if not labels.problems:
        return ""
    first = [name_task(task, text) for task, text in list(labels.problems.items())[:MOST_TASKS_NAMED]]
    more = len(labels.problems) - len(first)
    return (
        f"{_labels(len(labels.problems))} left out of the training:"
        f" {'; '.join(first)}{f'; and {more} more' if more else ''}"
    )


def _gone(labels: Labels, config: LabelConfig) -> str:
    if not labels.gone:
        return ""
    names = sorted(set(labels.gone.values()))
    listed = ", ".join(map(repr, names))
    new = next((label for label in config.labels if label not in names), "new name")
    return (
        f"{len(labels.gone)} of {labels.seen} labels are not learnt from, as they say {listed}, which the"
        " labelling configuration "
        f"does not have ({_tasks(labels.gone)}). Was it renamed? Keep the old name as alias and no label is"
        " lost, such as "
        f'<Label value="{new}" alias="{names[0]}"/>; or put it back under Settings, Labeling Interface; or'
        " relabel these tasks."
    )


def _empty(labels: Labels, blank: list[str]) -> str:
    if not blank:
        return ""
    if nothing := nothing_to_learn(labels):
        text = f"No model is trained: {nothing} ({_tasks(blank)})."
    else:
        text = (
            f"{len(blank)} of {len(labels.ids)} labels mark nothing ({_tasks(blank)}): right where an image"
            " shows none of the objects; else mark them and submit again. They are learnt from, but do not"
            " count when versions are compared."
        )
    helping = [task for task in blank if task in labels.only_help]
    if helping:
        text += (
            f" Of {_tasks(helping)} only points or boxes were submitted, which are not learnt: use the brush"
            " or a polygon."
        )
    return text


def _covered(covered: list[str]) -> str:
    if not covered:
        return ""
    return (
        f"{_count(covered)} every pixel of the image ({_tasks(covered)}): was it meant? If not, correct and"
        " submit again. It does not count when versions are compared."
    )


def _identical(labels: Labels) -> str:
    groups: dict[str, list[str]] = {}
    for task in labels.ids:
        if len(labels.present[task]) > 1:
            groups.setdefault(labels.digests[task], []).append(task)
    same = [tasks for tasks in groups.values() if len(tasks) > 1]
    if not same:
        return ""
    listed = "; ".join(_tasks(tasks) for tasks in same[:MOST_TASKS_NAMED])
    return (
        f"Labels are the same in every pixel, though drawn on different images ({listed}): was one copied? If"
        " so, correct the others. They do not count when versions are compared."
    )


def _classes(labels: Labels, config: LabelConfig) -> str:
    marked = {class_id for task in labels.ids for class_id in labels.present[task]} - {0}
    missing = [label for class_id, label in enumerate(config.labels, start=1) if class_id not in marked]
    if not marked or not missing:
        return ""
    return (
        f"No label marks {', '.join(map(repr, missing))} yet, so that the model cannot find it: label an"
        " image that shows it."
    )


def _overlaps(labels: Labels) -> str:
    if not labels.overlaps:
        return ""
    task, text = next(iter(labels.overlaps.items()))
    return (
        f"In {len(labels.overlaps)} labels objects of two labels overlap; task {task}: {text}. The larger"
        " object keeps what is outside."
    )


def _small(labels: Labels) -> str:
    text = warn_of_losses(labels.losses, labels.max_side, '"max_side":')
    return f'{text} It is a part of "recipe" in the extra params of the connection.' if text else ""


def _labels(count: int) -> str:
    return "1 label is" if count == 1 else f"{count} labels are"


def _count(tasks: Collection[str]) -> str:
    return f"{len(tasks)} label{'s cover' if len(tasks) != 1 else ' covers'}"


def _all_of(count: int) -> str:
    return "The only label" if count == 1 else f"Each of the {count} labels"


def _tasks(tasks: Collection[str]) -> str:
    return list_tasks([int(task) for task in tasks], MOST_TASKS_NAMED)
