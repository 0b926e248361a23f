"""What the predictions of superseded orders, which are kept for a day, cost Label Studio."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

import httpx
import numpy as np
import pytest

from backend.demo.server import DATABASE, LabelStudioServer
from backend.labelstudio.client import LABELS, UNLABELLED, LabelStudio
from backend.labelstudio.labels.config import EXAMPLE, parse
from backend.labelstudio.labels.regions import from_mask
from backend.labelstudio.order.priorities import in_order, write_order
from backend.labelstudio.order.round_rows import kept
from backend.labelstudio.order.superseded import remove

TASKS, MASKS = 1000, 200
PAGE = (*LABELS, "predictions", "drafts", "annotators", "comment_authors", "predictions_score")
MEASURED = 10
"""Requests of a kind; the median is told."""


@pytest.mark.benchmark
@pytest.mark.timeout(1800)
def test_what_is_kept_of_superseded_orders(label_studio: LabelStudioServer) -> None:
    """One superseded order against as many as are kept, in one run;
    then an order more, which is written over old rows."""
    client = LabelStudio(label_studio.url, label_studio.token)
    y, x = np.mgrid[:512, :512]
    regions = from_mask((np.sin(x / 13) + np.sin(y / 17) > 0.8).astype(np.uint8), parse(EXAMPLE), [0.9, 0.9])
    with httpx.Client(
        base_url=label_studio.url, headers={"Authorization": f"Token {label_studio.token}"}, timeout=600
    ) as http:
        body = {
            "title": "benchmark",
            "label_config": EXAMPLE,
            "sampling": "Uncertainty sampling",
            "show_collab_predictions": True,
        }
        project = int(http.post("/api/projects/", json=body).raise_for_status().json()["id"])
        tasks = [{"data": {"image": f"https://example.org/{number}.png"}} for number in range(TASKS)]
        http.post(f"/api/projects/{project}/import", json=tasks).raise_for_status()
        ids = client.task_ids(project)

        entries = in_order(ids, dict.fromkeys(ids[:MASKS], regions))
        most = kept(entries)

        def order(number: int) -> float:
            return timed(lambda: write_order(client, project, f"v1.r{number}", entries))

        for number in range(1, most + 2):
            seconds = order(number)
            if number in (2, most + 1):
                tell(client, http, project, ids, seconds, (label_studio.data_dir / DATABASE).stat().st_size)
        print(
            f"order {most + 2}, over old rows: {order(most + 2):.0f} s;"
            f" {sum(client.versions(project).values())} rows"
        )
        until = time.monotonic() + 60
        removed = remove(client, project, ["v1.r3", "v1.r4"], go_on=lambda: time.monotonic() < until)
        print(f"deleted in a minute: {removed}")


def tell(
    client: LabelStudio, http: httpx.Client, project: int, ids: list[int], seconds: float, size: int
) -> None:
    """Print what people and the service wait for now;
    `seconds` of the order written last, `size` of the database in bytes."""
    asked: dict[str, Callable[[], Any]] = {
        "next task": lambda: client.next_task(project),
        "click on a task with masks": lambda: http.get(f"/api/tasks/{ids[1]}/").raise_for_status(),
        "click on a task without": lambda: http.get(f"/api/tasks/{ids[-1]}/").raise_for_status(),
        "a page of the Data Manager": lambda: client.query(
            project, UNLABELLED, ordering=["tasks:predictions_score"], page_size=30, columns=PAGE
        ),
        "the order read back": lambda: client.query(
            project, UNLABELLED, ordering=["tasks:predictions_score"], page_size=1000
        ),
        "versions and their numbers": lambda: client.versions(project),
        "submit": (
            lambda: http.post(f"/api/tasks/{ids[0]}/annotations/", json={"result": []}).raise_for_status()
        ),
    }
    print(
        f"\n{sum(client.versions(project).values())} rows, database {size >> 20} MB: order of {TASKS} in"
        f" {seconds:.1f} s"
    )
    for what, ask in asked.items():
        print(f"  {what}: {statistics.median(timed(ask) for _ in range(MEASURED)):.2f} s")


def timed(action: Callable[[], Any]) -> float:
    started = time.perf_counter()
    action()
    return time.perf_counter() - started
