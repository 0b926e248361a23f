"""Label Studio's pages while predictions of superseded orders are kept:
they show the mask of the order in force alone."""

from __future__ import annotations

import base64
import io

import httpx
import numpy as np
import pytest
from PIL import Image

from backend.demo.server import LabelStudioServer
from backend.labelstudio.client import LabelStudio
from backend.labelstudio.labels.config import parse
from backend.labelstudio.labels.regions import from_mask
from backend.labelstudio.order.priorities import in_order, write_order
from tests.browser.chromium import Browser, wait
from tests.browser.labelling_page import LabellingPage, Mask
from tests.cells import CONFIG

SHAPE = (256, 256)
ORDERS = 3


def mask_of(order: int) -> Mask:
    """Another place in each order."""
    found = np.zeros(SHAPE, dtype=bool)
    found[20 + 70 * order : 80 + 70 * order, 40:200] = True
    return found


@pytest.mark.timeout(900)
def test_only_the_masks_of_the_order_in_force_are_drawn(
    browser: Browser, label_studio: LabelStudioServer
) -> None:
    """By "Label All Tasks" and by a click in the Data Manager, whose page lists the masks of older orders
    without drawing them."""
    stream = io.BytesIO()
    Image.new("L", SHAPE, 90).save(stream, "PNG")
    image = f"data:image/png;base64,{base64.b64encode(stream.getvalue()).decode()}"
    client = LabelStudio(label_studio.url, label_studio.token)
    with httpx.Client(
        base_url=label_studio.url, headers={"Authorization": f"Token {label_studio.token}"}, timeout=60
    ) as http:
        body = {
            "title": "Kept masks",
            "label_config": CONFIG,
            "sampling": "Uncertainty sampling",
            "show_collab_predictions": True,
        }
        project = int(http.post("/api/projects/", json=body).raise_for_status().json()["id"])
        http.post(f"/api/projects/{project}/import", json=[{"data": {"image": image}}] * 3).raise_for_status()
        tasks = client.task_ids(project)
        for order in range(ORDERS):
            regions = from_mask(mask_of(order).astype(np.uint8), parse(CONFIG))
            write_order(client, project, f"v1.r{order + 1}", in_order(tasks, dict.fromkeys(tasks, regions)))

    page = LabellingPage(browser, label_studio, label_studio.admin, project)
    page.sign_in()
    assert page.label_all_tasks() == tasks[0]
    expect_the_last_mask(page)
    assert page.submit() == tasks[1]

    browser.get(f"{label_studio.url}/projects/{project}/data?task={tasks[2]}")
    page.wait_for_task(tasks[2])
    expect_the_last_mask(page)


def expect_the_last_mask(page: LabellingPage) -> None:
    wanted = mask_of(ORDERS - 1)

    def drawn() -> bool:
        found = page.drawn(SHAPE)
        return float((found & wanted).sum() / max((found | wanted).sum(), 1)) > 0.95

    wait(page.browser, lambda _: drawn(), "the mask of the order in force alone", seconds=60)
    assert len(page.regions) == 1
