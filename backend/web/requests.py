"""Each request has an id, which its log lines and its answer carry, and is timed for the metrics."""

from __future__ import annotations

import re
import time
import uuid
from collections.abc import Iterable
from typing import TYPE_CHECKING

from flask import Flask, Response, g, request

from backend import logs
from backend.metrics.counters import REQUESTS

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

HEADER = "X-Request-ID"
"""A proxy in front may have given the request an id; else it gets one here."""
UNKNOWN = "unknown"
"""Endpoint of requests to addresses that there are not: raw paths would make a new series each."""


def watch_requests(app: Flask) -> None:
    """Give ids and time everything;
    to be called before other hooks are registered, so that refused requests count too."""
    serve = app.wsgi_app

    def with_id(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        with logs.bound(request=_id_of(environ)):
            return serve(environ, start_response)

    app.wsgi_app = with_id  # type: ignore[method-assign]

    @app.before_request
    def begin() -> None:
        g.started = time.perf_counter()

    @app.after_request
    def end(answer: Response) -> Response:
        endpoint = request.url_rule.rule if request.url_rule is not None else UNKNOWN
        if "started" in g:
            REQUESTS.labels(endpoint, str(answer.status_code)).observe(time.perf_counter() - g.started)
        answer.headers[HEADER] = request_id()
        return answer


def request_id() -> str:
    """The id of the request that is being served."""
    return str(logs.fields().get("request", ""))


def _id_of(environ: WSGIEnvironment) -> str:
    given = str(environ.get("HTTP_X_REQUEST_ID", ""))
    return given if re.fullmatch(r"[A-Za-z0-9._-]{1,64}", given) else uuid.uuid4().hex[:12]
