"""The list of a project's tasks that is kept: the same as Label Studio's, whatever happens there."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import httpx
import pytest
from redis import Redis

from backend.demo.server import LabelStudioServer
from backend.labelstudio import task_list
from backend.labelstudio.client import LabelStudio, Query
from backend.labelstudio.http.answers import Task
from backend.labelstudio.labels.config import EXAMPLE
from backend.labelstudio.task_list import FILE, Listed, TaskList
from backend.project.context import Context, open_context
from backend.run.redis_server import EmbeddedRedis
from tests.service.conftest import use_settings


def test_images_within_the_data_are_written_once(tmp_path: Path) -> None:
    """Not all of them again with each label. Where one is cleared away, the list is read anew."""
    image = "data:image/png;base64," + "QUJD" * 50_000
    data: list[dict[str, Any]] = [
        {"image": image, "plate": "A1"},
        {"image": "/data/upload/1/b.png", "other": {"kept": [1]}},
        {"other": {"kept beside": FILE}, "another": {"kept beside": None}},  # as the list itself writes
    ]
    tasks = {number: Listed(True, False, each) for number, each in enumerate(data, start=1)}
    kept = TaskList("", 0.0, "", tasks=tasks)
    kept.save(tmp_path / FILE)
    assert (tmp_path / FILE).stat().st_size < 1000
    (beside,) = tmp_path.glob("*.value")
    before = beside.stat().st_mtime_ns
    found = TaskList.load(tmp_path / FILE)
    assert found is not None
    assert found.tasks == tasks
    found.save(tmp_path / FILE)
    assert beside.stat().st_mtime_ns == before
    beside.unlink()
    assert TaskList.load(tmp_path / FILE) is None


def test_it_is_label_studio_s_whatever_happens_there(
    redis: Redis,
    redis_server: EmbeddedRedis,
    label_studio: LabelStudioServer,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Labels, skips, corrections of the data, new and deleted tasks, labels deleted one by one or at once,
    other settings of the project. All tasks are listed again only where their number tells of it."""
    del redis
    use_settings(
        monkeypatch,
        redis_url=redis_server.address,
        model_dir=tmp_path_factory.mktemp("models"),
        label_studio_url=label_studio.url,
        label_studio_api_key=label_studio.token,
    )
    monkeypatch.setattr(task_list, "OVERLAP", 0.2)
    taken: list[int] = []
    take_in = TaskList.take_in

    def note(self: TaskList, tasks: Iterable[Task]) -> None:
        listed = list(tasks)
        taken.append(len(listed))
        take_in(self, listed)

    monkeypatch.setattr(TaskList, "take_in", note)
    headers = {"Authorization": f"Token {label_studio.token}"}
    with httpx.Client(base_url=label_studio.url, headers=headers, timeout=60) as http:

        def send(method: str, path: str, body: Any = None) -> Any:
            answer = http.request(method, path, json=body).raise_for_status()
            return answer.json() if answer.content else None

        project = int(send("POST", "/api/projects", {"title": "Listed", "label_config": EXAMPLE})["id"])
        context = open_context(project)
        assert not context.list_tasks().all
        send("POST", f"/api/projects/{project}/import", [_task(number) for number in range(8)])
        tasks = context.client.task_ids(project)
        wholly: list[bool] = []
        monkeypatch.setattr(task_list, "list_all", _noting(task_list.list_all, wholly))
        _compare(context)
        for _ in range(2):
            time.sleep(0.3)
            _compare(context)
        del wholly[:], taken[:]
        _compare(context)
        assert taken == [0]

        def label(task: int, **more: Any) -> int:
            return int(send("POST", f"/api/tasks/{task}/annotations/", {"result": [], **more})["id"])

        def act(action: str, **chosen: Any) -> None:
            body = {"selectedItems": {"all": False, **chosen}}
            send("POST", f"/api/dm/actions?id={action}&project={project}", body)

        made = [label(task) for task in tasks[:3]]
        _compare(context)
        label(tasks[3], was_cancelled=True)
        send("PATCH", f"/api/tasks/{tasks[4]}/", {"data": {"image": "https://example.org/other.png"}})
        _compare(context)
        send("DELETE", f"/api/annotations/{made[0]}/")
        send("POST", f"/api/projects/{project}/import", [_task(9)])
        _compare(context)
        assert not wholly
        for change in (
            lambda: send("DELETE", f"/api/tasks/{tasks[5]}/"),
            lambda: act("delete_tasks_annotations", included=tasks[1:3]),
            lambda: send("PATCH", f"/api/projects/{project}/", {"skip_queue": "IGNORE_SKIPPED"}),
        ):
            change()
            _compare(context)
        assert wholly
        (context.image_cache / FILE).write_text("{")
        _compare(context)

        def delete_meanwhile(self: LabelStudio, number: int, filters: Query, size: int, **more: Any) -> Any:
            found = list(pages(self, number, filters, size, **more))
            if not filters:
                send("DELETE", f"/api/tasks/{tasks[6]}/")
            return found

        pages = LabelStudio.pages
        with monkeypatch.context() as patch:
            patch.setattr(LabelStudio, "pages", delete_meanwhile)
            context.list_tasks(whole=True)
        _compare(context)


def test_a_time_without_fractions_of_a_second_is_told_with_them() -> None:
    """Label Studio refuses it otherwise."""
    for seen in (0.0, 100.0):  # long before it was read, or just then
        found = TaskList("", 0.0, "2026-01-01T10:00:05Z", seen, 100.0)
        assert found.since.endswith(".000000Z")


def _task(number: int) -> dict[str, Any]:
    return {"data": {"image": f"https://example.org/{number}.png"}}


def _noting(function: Callable[..., Any], calls: list[bool]) -> Callable[..., Any]:
    def noting(*arguments: Any) -> Any:
        calls.append(True)
        return function(*arguments)

    return noting


def _compare(context: Context) -> None:
    found, client, project = context.list_tasks(), context.client, context.project_id
    listed = {int(task["id"]): task["data"] for task in client.tasks(project)}
    assert {number: task["data"] for number, task in found.all.items()} == listed
    assert list(found.open) == client.task_ids(project, "unlabelled")
    assert sorted(found.labelled) == client.task_ids(project, "labelled")
