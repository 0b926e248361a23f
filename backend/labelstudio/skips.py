"""Skipped tasks: who skipped them, and whom Label Studio serves them to.

A skip is an annotation that is cancelled:
no label, and Label Studio never serves the task to that person again, unless the project says otherwise.
So a task that everyone has skipped stays open for ever, and nobody gets it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum

from backend.labelstudio.client import IDS_A_PAGE, LABELLED_A_PAGE, UNLABELLED, LabelStudio, Query
from backend.labelstudio.http.answers import condition
from backend.labelstudio.project import Project


class SkipQueue(StrEnum):
    """What a project does with a skipped task; the default is OTHERS."""

    OTHERS = "REQUEUE_FOR_OTHERS"  # served to everyone who has not skipped it
    ME = "REQUEUE_FOR_ME"  # served to who skipped it, once nothing else is left for them, and to nobody else
    IGNORE = "IGNORE_SKIPPED"  # counts as labelled


SKIPPED: Query = [
    UNLABELLED[0],
    condition("cancelled_annotations", "greater", 0),
]
"""Without a label, and skipped by somebody; "ignore skipped" counts these as labelled."""
_WITH_ANNOTATORS = condition("annotators", "not_contains", 0, "List")
"""Holds for every task; it makes Label Studio tell the annotators, which it leaves out otherwise."""


@dataclass(frozen=True)
class Skips:
    """The skipped tasks of a project that have no label."""

    queue: SkipQueue
    by_task: Mapping[int, frozenset[int]]  # task id to the ids of those who skipped it
    people: frozenset[
        int
    ]  # members of the organization who have labelled or skipped in the project; empty if no task is skipped

    @property
    def done(self) -> frozenset[int]:
        """Tasks that are waited for no longer:
        nobody who labels here gets them before all the others are labelled."""
        if self.queue is not SkipQueue.OTHERS:
            return frozenset(self.by_task)
        return frozenset(
            task for task, people in self.by_task.items() if self.people and self.people <= people
        )

    @property
    def partly(self) -> dict[int, int]:
        """Tasks that are still served, to others than those who skipped them:
        task id to the number of these others."""
        done = self.done
        return {task: len(self.people - people) for task, people in self.by_task.items() if task not in done}


@dataclass(frozen=True)
class PutBack:
    """What putting skipped tasks back has done."""

    tasks: tuple[int, ...]  # that Label Studio serves again to those who skipped them
    kept: tuple[int, ...]  # still skipped, as somebody drew on them before


def read_skips(client: LabelStudio, project: Project) -> Skips:
    """The skipped tasks of a project, in one request for 2,000 of them, and one for the people."""
    tasks = client.pages(project.id, [*SKIPPED, _WITH_ANNOTATORS], IDS_A_PAGE, ("id", "annotators"))
    by_task = {int(task["id"]): frozenset(map(int, task.get("annotators") or [])) for task in tasks}
    people = frozenset(client.contributors(project.id)) if by_task else frozenset()
    return Skips(_queue(project), by_task, people)


def put_back(client: LabelStudio, project_id: int, tasks: Collection[int]) -> PutBack:
    """Remove the skips of tasks, so that they are served again to those who skipped them.
    Tasks that are not skipped are passed over.

    A skip is kept where its author had drawn something, or has drawn since, which is a draft of the skip and
    would go with it: that is work, and Label Studio's own "Cancel skip" keeps it as a draft.
    What the model drew, and nobody touched, is none.
    """
    done: list[int] = []
    kept: list[int] = []
    for task in client.pages(project_id, SKIPPED, LABELLED_A_PAGE, ("id", "annotations")) if tasks else ():
        if task["id"] not in tasks:
            continue
        drawn_on = {draft.get("annotation") for draft in client.drafts(int(task["id"]))}
        skips = [int(annotation["id"]) for annotation in task["annotations"]]
        removed = [skip not in drawn_on and _remove(client, skip) for skip in skips]
        (done if all(removed) else kept).append(int(task["id"]))
    return PutBack(tuple(done), tuple(kept))


def _remove(client: LabelStudio, annotation_id: int) -> bool:
    """Delete a skip that holds nothing of a person's; False if it holds something, or is a label by now."""
    annotation = client.annotation(annotation_id)
    if annotation is None:
        return True
    if not annotation["was_cancelled"] or any(
        region.get("origin") != "prediction" for region in annotation["result"] or []
    ):
        return False
    client.delete_annotation(annotation_id)
    return True


def skipped_since(client: LabelStudio, project_id: int) -> str:
    """What changes whenever a task is skipped or put back, in one small request."""
    total, latest = client.last_change(project_id, SKIPPED)
    return f"{total}:{latest}"


def _queue(project: Project) -> SkipQueue:
    try:
        return SkipQueue(project.skip_queue)
    except ValueError:  # "" or null: Label Studio's default
        return SkipQueue.OTHERS
