"""What the web process counts itself; Prometheus knows that such counters start anew with the process."""

from __future__ import annotations

from enum import StrEnum

from prometheus_client import Counter, Histogram, disable_created_metrics

from backend.metrics import PREFIX

# a series more for each, which nobody looks at: process_start_time_seconds tells the same
disable_created_metrics()


class Drawn(StrEnum):
    """How a task of /predict was answered."""

    MASK = "mask"
    BLANK = "blank"  # the mask shows nothing
    NO_MODEL = "no_model"
    FAILED = "failed"  # its image cannot be read


REQUESTS = Histogram(
    f"{PREFIX}_http_request_duration_seconds",
    "Time from a request's arrival to its answer.",
    ["endpoint", "status"],
    # Label Studio waits 1 s for /webhook, 3 s for /setup and 100 s for /predict.
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.4, 1, 3, 10, 30, 100),
    registry=None,
)
PREDICTIONS = Counter(
    f"{PREFIX}_predictions", "Tasks answered by /predict.", ["project", "outcome"], registry=None
)
COUNTERS = (REQUESTS, PREDICTIONS)
