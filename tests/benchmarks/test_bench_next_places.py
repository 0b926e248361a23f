"""What one label costs a Label Studio of many tasks: the next tasks put first, and the list of tasks brought
up to date, against a whole order and a whole list."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import numpy as np
import psutil
import pytest

from backend.demo.server import LabelStudioServer
from backend.labelstudio import task_list
from backend.labelstudio.client import TASKS_A_PAGE, LabelStudio
from backend.labelstudio.labels.config import EXAMPLE, parse
from backend.labelstudio.labels.regions import from_mask
from backend.labelstudio.order.next_places import put_first
from backend.labelstudio.order.priorities import in_order, score_of, write_order
from backend.labelstudio.task_list import read_tasks
from tests.benchmarks.measures import processor_seconds

NEXT = 20


@pytest.mark.benchmark
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("count", [1000, 10_000])
def test_the_next_of_many_tasks(
    label_studio: LabelStudioServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    """Masks of 512 pixels. Seconds, and of them Label Studio's processor time."""
    client, servers = LabelStudio(label_studio.url, label_studio.token), label_studio.pids
    headers = {"Authorization": f"Token {label_studio.token}"}
    with httpx.Client(base_url=label_studio.url, headers=headers, timeout=600) as http:
        body = {"title": "benchmark", "label_config": EXAMPLE, "sampling": "Uncertainty sampling"}
        project = int(http.post("/api/projects/", json=body).raise_for_status().json()["id"])
        tasks = [{"data": {"image": f"https://example.org/{number}.png"}} for number in range(count)]
        http.post(f"/api/projects/{project}/import", json=tasks).raise_for_status()
        y, x = np.mgrid[:512, :512]
        mask = (np.sin(x / 13) + np.sin(y / 17) > 0.8).astype(np.uint8)
        regions = from_mask(mask, parse(EXAMPLE), [0.9, 0.9])

        @contextmanager
        def measure(what: str) -> Iterator[None]:
            processes = [psutil.Process(pid) for pid in servers]
            spent, started = processor_seconds(processes), time.perf_counter()
            yield
            seconds, spent = time.perf_counter() - started, processor_seconds(processes) - spent
            print(f"\n{count} tasks, {what}: {seconds:.1f} s, Label Studio {spent:.1f} s", end="", flush=True)

        with measure("all listed, every column"):
            assert len(list(client.pages(project, [], TASKS_A_PAGE, ()))) == count
        with measure("all listed"):
            ids = list(read_tasks(client, project, tmp_path).open)
        with measure("a whole order"):
            write_order(client, project, "v1.r1", in_order(ids))
        monkeypatch.setattr(task_list, "OVERLAP", 0.0)  # all were imported at once, some seconds ago
        read_tasks(client, project, tmp_path)
        behind = {task: score_of(rank, count) for rank, task in enumerate(ids, start=1)}
        for number in range(1, 4):
            http.post(f"/api/tasks/{ids[-number]}/annotations/", json={"result": []}).raise_for_status()
            with measure("what changed listed"):
                assert len(read_tasks(client, project, tmp_path).open) == count - number
            first = ids[7 * number : 7 * number + NEXT]
            with measure(f"the next {NEXT} put first"):
                put_first(client, project, "v1.r1", first, dict.fromkeys(first, regions), behind)
    client.close()
