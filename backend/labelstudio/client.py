"""Label Studio's API as the service uses it:
projects, tasks, predictions, webhooks, tabs and backends, as plain data."""

from __future__ import annotations

import heapq
import itertools
import json
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Literal

from label_studio_sdk.core.request_options import RequestOptions
from pydantic import BaseModel

from backend.labelstudio.connections import Connections
from backend.labelstudio.http.answers import Annotation, Draft, Filter, Task, TaskPage, condition
from backend.labelstudio.predictions import Predictions
from backend.labelstudio.project import PROJECT_FIELDS, Project
from backend.stopping import wait_for

Only = Literal["all", "labelled", "unlabelled"]
Query = list[Filter]

TASKS_A_PAGE = 500
LABELLED_A_PAGE = 50
"""Labelled tasks come with the regions of their annotations, 10 to 350 kB each."""
IDS_A_PAGE = 2000
"""Tasks of which little more than the id is asked for."""
READS = 3
"""How often all tasks are read at most, where some changed from unlabelled to labelled meanwhile."""

ID, CHANGED, SCORE = ("id",), ("id", "updated_at"), ("id", "predictions_score")
"""Columns of a task, where little more than its id is asked for."""
LISTED = ("id", "data", "is_labeled", "updated_at", "total_annotations")
"""The columns of a task that are asked for, unless a caller needs others.
Label Studio gives 25 otherwise, some of them by a query to its database for each task: nearly three times
the work."""
LABELS = (
    *(*LISTED, "annotations", "result", "was_cancelled", "ground_truth", "completed_by", "created_username"),
    *("lead_time", "created_at"),
)
"""Those of a task and of its annotations, which Label Studio takes from one list; not its predictions."""

UNLABELLED: Query = [
    condition("total_annotations", "equal", 0),
    # A skipped task counts as labelled where the project says so ("ignore skipped").
    condition("is_labeled", "equal", False, "Boolean"),
]
LABELLED: Query = [condition("total_annotations", "greater", 0)]


class LabelStudio(Connections, Predictions):
    """One Label Studio server seen with one user's API key (legacy token or personal access token).
    Safe to share between threads.

    Every method raises UnreachableError after retries, ApiKeyError, and LabelStudioError for what else Label
    Studio refuses.
    """

    def server_version(self) -> str:
        """Label Studio's version, such as "1.23.2". Raises UnreachableError; needs no key."""
        return str(self._own.version().get("release", "unknown"))

    def user(self) -> dict[str, Any]:
        """The key's user: id, email, active_organization. Raises ApiKeyError."""
        return self._dict(self._sdk.users.with_raw_response.whoami)

    def users(self) -> dict[int, str]:
        """Ids and e-mail addresses of all users of the organization."""
        found = self._list(self._sdk.users.with_raw_response.list)
        return {int(user["id"]): str(user["email"]) for user in found}

    def contributors(self, project_id: int) -> dict[int, str]:
        """Ids and e-mail addresses of the organization's present members who have labelled or skipped a task
        of the project."""
        organization = int(self.user()["active_organization"])
        members = self._call(
            lambda: self._sdk.organizations.members.list(
                organization, contributed_to_projects=True, page_size=-1
            )
        )
        users = [member.dict()["user"] for member in members.items or []]
        return {
            int(user["id"]): str(user["email"])
            for user in users
            # Members who were removed are still listed; they have no organization any more.
            if user.get("active_organization") is not None
            and any(project["id"] == project_id for project in user["contributed_to_projects"])
        }

    def access_token(self) -> str:
        """The token that downloads images:
        the legacy token itself, or a fresh access token (valid 300 s) for a personal one."""
        return wait_for(self._keyed.key.token)

    def download(self, path: str) -> bytes:
        """The bytes at a path or address of this server, or at a web address elsewhere (without the key).

        Raises NoAnswerError when this address alone gives nothing.
        """
        return self._images.download(path)

    def seems_own(self, address: str) -> bool:
        """Whether a web address looks like one of this server's, under a name that neither the settings nor
        the server tell."""
        return self._images.seems_own(address)

    def project(self, project_id: int) -> Project:
        """One project. Raises UnknownProjectError."""
        return Project.of(self.project_options(project_id, PROJECT_FIELDS))

    def model_version(self, project_id: int) -> str:
        """The predictions that order the tasks of a project and are shown; empty: none.
        Raises UnknownProjectError."""
        return str(self.project_options(project_id, ("id", "model_version")).get("model_version") or "")

    def projects(self) -> list[Project]:
        """All projects that the key's user sees, by id."""
        found: list[Project] = []
        for page in itertools.count(1):
            answer = self._call(partial(self._sdk.projects.list, page=page, page_size=100))
            found += [Project.of(item.dict()) for item in answer.items or []]
            if not answer.response.next:
                break
        return sorted(found, key=lambda project: project.id)

    def update_project(self, project_id: int, **fields: Any) -> Project:
        """Change settings of a project (`sampling`, ...); the others stay."""
        return Project.of(self.set_project_options(project_id, **fields))

    def switch_version(self, project_id: int, version: str) -> None:
        """Make the predictions of `version` the ones that order the tasks and are shown.
        Label Studio refuses a version it has none of."""
        self.update_project(project_id, model_version=version)

    def task(self, task_id: int) -> Task | None:
        """One task with its annotations, None if it is deleted.
        Label Studio has a prediction made that it lacks, and stores it."""
        options = RequestOptions(additional_query_parameters={"resolve_uri": "false"})
        return self._find(
            lambda: self._sdk.tasks.with_raw_response.get(str(task_id), request_options=options)
        )

    def annotation(self, annotation_id: int) -> Annotation | None:
        """One annotation, None if it is deleted."""
        return self._find(lambda: self._sdk.annotations.with_raw_response.get(annotation_id))

    def drafts(self, task_id: int) -> list[Draft]:
        """What people have drawn on a task and not submitted, of everybody:
        id, annotation (that it changes, or None)."""
        return self._own.drafts(task_id)

    def delete_annotation(self, annotation_id: int) -> None:
        """Delete an annotation, if it is still there;
        only ever a skip on which nobody has drawn (backend.labelstudio.skips)."""
        self._delete(lambda: self._sdk.annotations.with_raw_response.delete(annotation_id))

    def tasks(self, project_id: int, only: Only = "all", *, page_size: int = TASKS_A_PAGE) -> Iterator[Task]:
        """Tasks in the order of ids, each with the columns LISTED and "annotations" (regions included;
        cancelled ones only of labelled tasks).

        "labelled": with an annotation that is not cancelled. "unlabelled":
        the others that Label Studio would still serve;
        a skipped task is one of them, unless the project says that skipped tasks are done.
        Tasks that come or go meanwhile shift nothing; of "all", those that were labelled meanwhile may follow
        at the end.
        """
        page = min(page_size, LABELLED_A_PAGE)
        if only == "labelled":
            yield from self.pages(project_id, LABELLED, page, LABELS)
        elif only == "unlabelled":
            yield from self.pages(project_id, UNLABELLED, page_size)
        else:
            seen: set[int] = set()
            for _ in range(READS):
                labelled = self.pages(project_id, LABELLED, page, LABELS)
                unlabelled = self.pages(project_id, UNLABELLED[:1], page_size)
                for task in heapq.merge(labelled, unlabelled, key=lambda task: int(task["id"])):
                    if task["id"] not in seen:  # one that was labelled while we read is in both, ...
                        seen.add(int(task["id"]))
                        yield task
                if seen.issuperset(self.task_ids(project_id)):
                    break  # ... or in neither

    def labelled(self, project_id: int, since: str) -> Iterator[Task]:
        """The labelled tasks, as `tasks` gives them, that were changed at `since` or later, a time as Label
        Studio tells it; all for ""."""
        changed = changed_after(earlier(since, 1e-6) if since else "")
        return self.pages(project_id, [*LABELLED, *changed], LABELLED_A_PAGE, LABELS)

    def task_ids(self, project_id: int, only: Only = "all") -> list[int]:
        """Ids of the tasks, ascending, without their annotations; 10,000 in a few seconds."""
        filters = {"all": [], "labelled": LABELLED, "unlabelled": UNLABELLED}[only]
        found = self.pages(project_id, filters, IDS_A_PAGE, ID)
        return [int(task["id"]) for task in found]

    def count(self, project_id: int, only: Only = "all") -> int:
        """Number of tasks, in one request."""
        filters = {"all": [], "labelled": LABELLED, "unlabelled": UNLABELLED}[only]
        return int(self.query(project_id, filters, page_size=1, columns=ID)["total"])

    def labelled_since(self, project_id: int) -> tuple[int, str]:
        """Number of labelled tasks, and when one of them was changed last (ISO 8601, empty without any), in
        one request.

        Label Studio changes a task whenever one of its annotations or predictions is made, changed or deleted
        alone, and for other reasons.
        """
        return self.last_change(project_id, LABELLED)

    def last_change(self, project_id: int, filters: Query) -> tuple[int, str]:
        """Number of tasks for which all `filters` hold, and when one of them was changed last (ISO 8601,
        empty without any), in one request."""
        ordering = ["-tasks:updated_at"]
        found = self.query(project_id, filters, ordering=ordering, page_size=1, columns=CHANGED)
        return int(found["total"]), str(found["tasks"][0].get("updated_at") or "") if found["tasks"] else ""

    def annotations_changed(self, project_id: int, since: str) -> bool:
        """Whether an annotation that is no skip was made or changed after `since`, a time of
        `labelled_since`."""
        columns = ("id", "annotations", "was_cancelled", "updated_at")
        tasks = self.pages(project_id, [*LABELLED, *changed_after(since)], LABELLED_A_PAGE, columns)
        # Label Studio writes times in UTC with a fixed layout, so they sort as text.
        labels = (
            annotation
            for task in tasks
            for annotation in task["annotations"]
            if not annotation.get("was_cancelled")
        )
        return any(str(annotation.get("updated_at") or "") > since for annotation in labels)

    def query(
        self,
        project_id: int,
        filters: Query,
        *,
        ordering: Sequence[str] = (),
        page_size: int = TASKS_A_PAGE,
        columns: Sequence[str] = LISTED,
    ) -> TaskPage:
        """The first page of the Data Manager's list of tasks, `columns` of each, or all for ():
        {"tasks", "total"}; `filters` must all hold. Raises UnknownProjectError."""
        query: dict[str, object] = {"ordering": list(ordering)}
        if filters:
            query["filters"] = {"conjunction": "and", "items": filters}

        def read() -> TaskPage:
            answer: Any = self._sdk.tasks.list(
                project=project_id,
                page=1,
                page_size=page_size,
                fields="all" if "annotations" in columns else "task_only",
                include=",".join(columns) or None,
                resolve_uri=False,
                query=json.dumps(query),
            )
            return {"tasks": [_as_sent(item) for item in answer.items or []], "total": answer.response.total}

        found = self._found(lambda: self._call(read))
        if found is None:
            raise self._unknown(project_id)
        return found

    def pages(
        self, project_id: int, filters: Query, page_size: int, columns: Sequence[str] = LISTED
    ) -> Iterator[Task]:
        """Tasks for which all `filters` hold, `columns` of each, in the order of ids, page by page as they
        are asked for.

        Each next page starts behind the last id, not at a position, because tasks come and go while we read.
        """
        last = 0
        while True:
            after = condition("id", "greater", last)
            page = self.query(
                project_id, [*filters, after], ordering=["tasks:id"], page_size=page_size, columns=columns
            )["tasks"]
            for task in page:
                yield {**task, "annotations": task.get("annotations") or [], "predictions": [], "drafts": []}
            if len(page) < page_size:
                return
            last = int(page[-1]["id"])

    def next_task(self, project_id: int) -> Task | None:
        """What the "Label All Tasks" button would serve the key's user now; it LOCKS that task for this user.
        None: nothing to label."""
        options = RequestOptions(additional_body_parameters={"project": project_id})
        return self._find(
            lambda: self._sdk.actions.with_raw_response.create(
                id="next_task", project=project_id, request_options=options
            )
        )

    def holding(self, project_id: int, version: str) -> Iterator[int]:
        """Ids of the tasks that have a prediction of a version, or of one whose name contains that name;
        ascending, page by page."""
        holds = condition("predictions_model_versions", "contains", [version], "List")
        return (int(task["id"]) for task in self.pages(project_id, [holds], TASKS_A_PAGE, ID))


def changed_after(since: str) -> Query:
    """The condition of tasks changed after a time; none for ""."""
    return [condition("updated_at", "greater", since, "Datetime")] if since else []


def earlier(when: str, seconds: float) -> str:
    """The time so many seconds before `when`, ISO 8601."""
    before = datetime.fromisoformat(when) - timedelta(seconds=seconds)
    return before.isoformat(timespec="microseconds").replace("+00:00", "Z")  # a time without them is refused


def _as_sent(value: Any) -> Any:
    """A model of the SDK as Label Studio sent it: what it did not send is left out, and times are text."""
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, list):
        return [_as_sent(item) for item in value]
    if not isinstance(value, BaseModel):
        return value
    return {name: _as_sent(getattr(value, name)) for name in value.model_fields_set}
