"""The tasks of a project as Label Studio lists them, kept on this machine: what has changed since is asked
for, and not thousands of tasks again for each label.

Label Studio takes about 1 ms for each task that it lists, and annotators wait meanwhile.
"""

from __future__ import annotations

import hashlib
import json
import logging
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from backend.labelstudio.client import TASKS_A_PAGE, LabelStudio, changed_after, earlier
from backend.labelstudio.http.answers import Task
from backend.labelstudio.project import Project
from model.files import write_bytes

log = logging.getLogger(__name__)

FILE = "tasks.json"
"""In the folder of this machine's downloaded images, which may go at any time."""
LONGEST = 24 * 3600.0
"""Seconds after which all are listed again, whatever the figures say."""
OVERLAP = 10.0
"""Seconds in which a change that was made before another one may come to light after it.
Until then all changes of so long are asked for again, such as all tasks of an import."""
LONGEST_VALUE = 4096
"""Characters of a value of a task's data that the file itself holds. A longer one, such as an image, is
written once and not with each label."""
_BESIDE = "kept beside"
_NO_TEXT = ".json"
"""Of the file of a value that is no text."""
TRIES = 2
"""Somebody may submit between the two requests that are compared."""


class Listed(NamedTuple):
    """A task: whether Label Studio would serve it, whether it has an annotation that is no skip, its data,
    when it or one of its annotations was changed last (ISO 8601; "" in the list of an early release), and how
    many annotations it has that are no skips (0 there): some are moved and change nothing else."""

    open: bool
    labelled: bool
    data: dict[str, Any]
    changed: str = ""
    annotations: int = 0


@dataclass
class TaskList:
    """All tasks of a project, by id.

    settings: those of the project that decide what is open. listed: when all were listed, seconds since 1970.
    latest: the last change seen, ISO 8601; `seen` first at that time here, and last looked for at `read`,
    seconds since 1970. offsets: what Label Studio counted more than these, when all were
    listed: of tasks, and of labelled ones.
    """

    settings: str
    listed: float
    latest: str
    seen: float = 0.0
    read: float = 0.0
    offsets: tuple[int, int] = (0, 0)
    tasks: dict[int, Listed] = field(default_factory=dict)

    @property
    def open(self) -> dict[int, Task]:
        """The tasks that Label Studio would serve, "id" and "data" of each, ascending."""
        return {number: self._task(number) for number in sorted(self.tasks) if self.tasks[number].open}

    @property
    def all(self) -> dict[int, Task]:
        """Likewise of all."""
        return {number: self._task(number) for number in sorted(self.tasks)}

    @property
    def labelled(self) -> set[int]:
        """The tasks with an annotation that is no skip."""
        return {number for number, task in self.tasks.items() if task.labelled}

    def take_in(self, tasks: Iterable[Task]) -> None:
        """Tasks as they are now, new ones among them."""
        for task in tasks:
            annotations = int(task.get("total_annotations") or 0)
            labelled = annotations > 0
            open_ = not labelled and not task.get("is_labeled")
            changed = str(task.get("updated_at") or "")
            self.tasks[int(task["id"])] = Listed(open_, labelled, task["data"], changed, annotations)
            if changed > self.latest:
                self.latest, self.seen = changed, time.time()

    @property
    def since(self) -> str:
        """When what is not known was changed at the earliest, ISO 8601; empty before there is a task."""
        if not self.latest:
            return ""
        back = 0.0 if self.read - self.seen > OVERLAP else OVERLAP
        return earlier(self.latest, back)

    def count(self, project: Project) -> tuple[int, int]:
        """What Label Studio counts more than these: of tasks, and of labelled ones."""
        return project.tasks - len(self.tasks), project.labelled - len(self.labelled)

    def _task(self, number: int) -> Task:
        return {"id": number, "data": self.tasks[number].data}

    def save(self, path: Path) -> None:
        """Keep it in a file, with long values, such as images that are written into the data, beside it."""
        tasks = [
            [number, *each._replace(data=_put_beside(each.data, path.parent))]
            for number, each in self.tasks.items()
        ]
        content = {**vars(self), "tasks": tasks}
        write_bytes(path, json.dumps(content).encode())

    @classmethod
    def load(cls, path: Path) -> TaskList | None:
        """What `save` kept; None where there is nothing that can be read."""
        try:
            content = json.loads(path.read_bytes())
            tasks = {
                int(number): Listed(open_, labelled, _get_from_beside(data, path.parent), *more)
                for number, open_, labelled, data, *more in content.pop("tasks")
            }
            tasks_more, labelled_more = content.pop("offsets")
            return cls(**content, offsets=(tasks_more, labelled_more), tasks=tasks)
        except (OSError, ValueError, TypeError, KeyError, AttributeError):
            return None


def _put_beside(data: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """A task's data with the name of a file in place of each long text,
    and of each value that looks like such a name."""
    found = dict(data)
    for key, value in data.items():
        named = _is_name(value)
        if named or (isinstance(value, str) and len(value) > LONGEST_VALUE):
            content = (json.dumps(value) if named else value).encode("utf-8", "surrogatepass")
            name = f"{hashlib.sha256(content).hexdigest()}{_NO_TEXT if named else '.value'}"
            if not (folder / name).exists():
                write_bytes(folder / name, content)
            found[key] = {_BESIDE: name}
    return found


def _get_from_beside(data: dict[str, Any], folder: Path) -> dict[str, Any]:
    """What `_put_beside` was given. Raises OSError where a file is gone."""
    for key, value in data.items():
        if _is_name(value):
            path = folder / Path(str(value[_BESIDE])).name
            text = path.read_bytes().decode("utf-8", "surrogatepass")
            data[key] = json.loads(text) if path.suffix == _NO_TEXT else text
    return data


def _is_name(value: object) -> bool:
    return isinstance(value, dict) and list(value) == [_BESIDE]


def read_tasks(client: LabelStudio, project_id: int, folder: Path, *, whole: bool = False) -> TaskList:
    """A project's tasks as they are now; `folder` keeps the list. `whole`: all are listed."""
    path = folder / FILE
    found = None if whole else TaskList.load(path)
    for _ in range(TRIES if found else 0):
        assert found is not None
        begun = time.time()
        found.take_in(client.pages(project_id, changed_after(found.since), TASKS_A_PAGE))
        found.read = begun
        project = client.project(project_id)
        old = time.time() - found.listed > LONGEST or found.settings != _settings(project)
        if not old and found.count(project) == found.offsets:
            break
    else:
        found = list_all(client, project_id)
    try:
        found.save(path)
    except OSError as error:
        log.warning("the list of tasks is not kept: %s", error.strerror or error)
    return found


def list_all(client: LabelStudio, number: int) -> TaskList:
    """The tasks of a project, each read from Label Studio."""
    _, latest = client.last_change(number, [])
    begun = time.time()
    found = TaskList(_settings(client.project(number)), begun, latest, begun, begun)
    found.take_in(client.pages(number, [], TASKS_A_PAGE))
    if latest:  # what was changed on a page that had been read
        found.take_in(client.pages(number, changed_after(latest), TASKS_A_PAGE))
    more, labelled = found.count(client.project(number))
    found.offsets = (max(more, 0), labelled)  # fewer: some were deleted meanwhile, and the next call sees it
    return found


def _settings(project: Project) -> str:
    return f"{project.skip_queue} {project.maximum_annotations}"
