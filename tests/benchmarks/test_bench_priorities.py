"""How long it takes to write the order of 1,000 tasks into a real Label Studio."""

from __future__ import annotations

import time

import httpx
import numpy as np
import pytest
from label_studio_sdk import LabelStudio as SDK

from backend.demo.server import LabelStudioServer
from backend.labelstudio.client import LabelStudio
from backend.labelstudio.labels.config import EXAMPLE, parse
from backend.labelstudio.labels.regions import from_mask
from backend.labelstudio.order.priorities import in_order, write_order

TASKS = 1000
SINGLE = 100
"""Predictions that the rival writes."""


@pytest.mark.benchmark
def test_writing_the_order_of_a_thousand_tasks(label_studio: LabelStudioServer) -> None:
    """Aim: in force within 5 s without masks, on two idle cores. Predictions of the rounds before it stay.

    The rival is the plain loop of the SDK's examples: one request a prediction, nothing read back.
    """
    client = LabelStudio(label_studio.url, label_studio.token)
    with httpx.Client(
        base_url=label_studio.url, headers={"Authorization": f"Token {label_studio.token}"}, timeout=60
    ) as http:
        body = {"title": "benchmark", "label_config": EXAMPLE, "sampling": "Uncertainty sampling"}
        project = int(http.post("/api/projects/", json=body).raise_for_status().json()["id"])
        tasks = [{"data": {"image": f"https://example.org/{number}.png"}} for number in range(TASKS)]
        http.post(f"/api/projects/{project}/import", json=tasks).raise_for_status()
    y, x = np.mgrid[:512, :512]
    regions = from_mask((np.sin(x / 13) + np.sin(y / 17) > 0.8).astype(np.uint8), parse(EXAMPLE), [0.9, 0.9])
    ids = client.task_ids(project)
    single = _one_by_one(label_studio, ids[:SINGLE])
    print(f"\none request a prediction: {single / SINGLE * TASKS:.1f} s for {TASKS}, by {SINGLE} of them")
    for number, masks in enumerate((0, 200, TASKS), start=1):
        marks: dict[str, float] = {}
        started = time.perf_counter()

        def mark(step: str, marks: dict[str, float] = marks, started: float = started) -> None:
            marks[step] = time.perf_counter() - started

        report = write_order(
            client,
            project,
            f"v1.r{number}",
            in_order(ids, dict.fromkeys(ids[:masks], regions)),
            checkpoint=mark,
        )
        steps = ", ".join(f"{step} after {seconds:.1f} s" for step, seconds in marks.items())
        ratio = single / SINGLE * TASKS / marks["imported"]
        print(
            f"{TASKS} tasks, {masks} masks: {steps}"
            + ("" if masks else f"; one by one takes {ratio:.0f}x as long to import")
        )
        assert (report.written, report.masks) == (TASKS, masks)


def _one_by_one(server: LabelStudioServer, tasks: list[int]) -> float:
    """Seconds to write a prediction each, without a mask."""
    sdk = SDK(base_url=server.url, api_key=server.token)
    started = time.perf_counter()
    for rank, task in enumerate(tasks, start=1):
        sdk.predictions.create(task=task, score=rank / TASKS, model_version="one by one", result=[])
    return time.perf_counter() - started
