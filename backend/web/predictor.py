"""The process that answers /predict.

Networks, images and masks keep a Python process from everything else for moments, now and then for half a
second. So gunicorn runs a second process of the same application, and whoever asks the first one for
predictions is answered by the second, through a socket that only this user can open.
/health, /setup and the annotators' /webhook never wait for a prediction; and where an image takes more memory
than there is, they go on.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from functools import partial

import httpx
from flask import Response, request

from backend.errors import RequestError
from backend.metrics.counters import PREDICTIONS, Drawn
from backend.web.requests import HEADER, request_id

log = logging.getLogger(__name__)

PIECE = 1 << 18
"""Bytes that are passed on at once."""
CONNECT_SECONDS = 10.0
PASSED_ON = ("Authorization", "Content-Type", "Host")
"""Headers of a request; those that tell a browser have been looked at by then."""
OUTCOMES = "X-Predictions"
"""In an answer: the project, and how its tasks were answered, as in "7 mask=2 failed=1", for the metrics of
the process that is asked for them."""
PREDICTOR = "PREDICTOR"
"""The application's entry for the Predictor, which only the public process has."""
RETURNED = ("Content-Type", "Content-Length", OUTCOMES)


class Predictor:
    """How the public process reaches the one that predicts."""

    def __init__(self, socket: str) -> None:
        """`socket` is the path on which that process listens."""
        self._client = httpx.Client(
            transport=httpx.HTTPTransport(uds=socket, limits=httpx.Limits(max_keepalive_connections=0)),
            timeout=httpx.Timeout(None, connect=CONNECT_SECONDS),  # large images take minutes
        )

    def answer(self) -> Response:
        """Have the request that is being served answered by the other process.
        Raises RequestError (503) if that ends meanwhile, RequestEntityTooLarge."""
        headers = {name: request.headers[name] for name in PASSED_ON if name in request.headers}
        headers |= {HEADER: request_id(), "Content-Length": str(request.content_length or 0)}
        body = iter(partial(request.stream.read, PIECE), b"")
        outgoing = self._client.build_request(
            "POST", "http://localhost/predict", headers=headers, content=body
        )
        try:
            incoming = self._client.send(outgoing, stream=True)
        except httpx.TransportError as error:
            log.error("the process that predicts has ended in the midst of a request: %s", error)
            raise RequestError(
                "The process that predicts ended while it worked on this, perhaps as memory ran out; it is"
                " started again. Ask again; if it ends again, give this machine more memory, or set"
                " MAX_MEGAPIXELS lower, so that the image that is too large is named.",
                503,
            ) from error
        answer = Response(
            incoming.iter_raw(PIECE),
            status=f"{incoming.status_code} {incoming.reason_phrase}",
            headers=[(name, incoming.headers[name]) for name in RETURNED if name in incoming.headers],
        )
        answer.call_on_close(incoming.close)
        return answer


def describe_outcomes(project_id: int, outcomes: Mapping[Drawn, int]) -> str:
    """The header's value."""
    return " ".join([str(project_id), *(f"{outcome.value}={tasks}" for outcome, tasks in outcomes.items())])


def count_predictions(described: str) -> None:
    """Count in what an answer tells of; nothing where it was refused."""
    project_id, *outcomes = described.split() or [""]
    for outcome, _, tasks in (each.partition("=") for each in outcomes):
        PREDICTIONS.labels(project_id, outcome).inc(int(tasks))
