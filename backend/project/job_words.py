"""What people call the jobs of a project: while they run, while they wait, and after they have failed."""

from __future__ import annotations

from collections.abc import Sequence

RUNNING = {
    "training": "Training a new model",
    "first-order": "Computing the first order",
    "live": "Renewing masks and order",
    "round": "Computing the order",
    "finish": "Writing the order",
    "rollback": "Rolling back",
    "export": "Exporting the masks",
}
WAITING = {
    "training": "a training",
    "first-order": "a first order",
    "live": "new masks and a new order",
    "round": "a new order",
    "row": "a part of a new order",
    "finish": "the end of the round",
    "rollback": "a change of version",
    "export": "an export of the masks",
    "unskip": "putting skipped images back",
    "look": "a sync with Label Studio",
    "configure": "a check of the connection",
}
FAILED = {
    "training": "The last training failed",
    "first-order": "The first order could not be written",
    "live": "The last update of masks and order failed",
    "rollback": "The last rollback failed",
    "look": "The last sync with Label Studio failed",
    "configure": "The last check of the connection failed",
}
"""The other kinds of job are parts of a round."""


def list_waiting(kinds: Sequence[str]) -> str:
    """Waiting jobs in words: "a training and a new order"."""
    return " and ".join(WAITING.get(kind, kind) for kind in kinds)
