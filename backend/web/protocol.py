"""The calls that Label Studio makes: /health, /setup, /predict, /webhook and /versions."""

from __future__ import annotations

import json
import logging
import os
import threading
import time

from flask import Blueprint, Response, current_app, jsonify, request

from backend import logs
from backend.errors import RequestError
from backend.labelstudio.connect.own_service import INSTANCE_HEADER
from backend.labelstudio.labels.config import parse
from backend.project import registry
from backend.project.context import Context, open_context
from backend.project_settings import parse_project_settings
from backend.queue import enqueue, pending_work
from backend.queue.connection import PREFIX
from backend.queue.pending_work import START_TRAINING, Work
from backend.queue.project_info import ProjectInfo
from backend.settings import MARK
from backend.store.storage import Storage
from backend.store.versions import Versions
from backend.web import payload
from backend.web.auth import allowed_project, require_project
from backend.web.predictor import OUTCOMES, PREDICTOR, Predictor, count_predictions, describe_outcomes

log = logging.getLogger(__name__)

protocol = Blueprint("protocol", __name__)

PREDICTIONS_AT_ONCE = 16
"""Requests to /predict that wait for the network at once;
further ones are refused, so that threads stay free for all other calls."""
_predictions = threading.BoundedSemaphore(PREDICTIONS_AT_ONCE)

SECONDS_BETWEEN_CONFIGURING = 600
"""Label Studio calls /setup at every page;
the project is checked at most so often, and at once when something has changed."""


@protocol.get("/health")
def health() -> Response:
    """That the process answers, and in a header which service it belongs to:
    connections under other names are known by it."""
    mark = os.environ.get(MARK)
    answer = jsonify({"status": "UP", "model_class": "Segmenter"} | ({"mark": mark} if mark else {}))
    if instance := current_app.config["INSTANCE"]():
        answer.headers[INSTANCE_HEADER] = instance
    return answer


@protocol.post("/setup")
def setup() -> Response:
    """Make the project known and tell the version in use;
    answers at once, and has the project checked in a job."""
    content = payload.json_object()
    project_id = payload.project_number(content.get("project"))
    schema = payload.text(content, "schema")
    extra = content.get("extra_params")
    if extra is not None and not isinstance(extra, str | dict):
        raise RequestError('extra_params: expected a JSON object such as {"budget": 5}.')
    config = parse(schema)
    parse_project_settings(extra, current_app.config["SETTINGS"].project_defaults)
    context = project_context(project_id)
    redis = context.redis
    info = ProjectInfo(hostname=str(content.get("hostname") or ""))
    new = pending_work.register(redis, project_id, info)
    fingerprint = f"{config!r} {extra!r}"
    with redis.pipeline() as pipe:
        pipe.hgetall(context.keys.info)
        told = extra if isinstance(extra, str) else json.dumps(extra)
        ProjectInfo(setup=fingerprint, extra_params=told).write(pipe, project_id)
        pipe.set(
            f"{PREFIX}:{project_id}:configured", int(time.time()), nx=True, ex=SECONDS_BETWEEN_CONFIGURING
        )
        before, _, first = pipe.execute()
    earlier = ProjectInfo.from_redis(before).setup or ""
    if new or first or not earlier.startswith(f"{config!r} "):
        pending_work.request(redis, project_id, Work.CONFIGURE)
    elif earlier != fingerprint:
        # Other extra params alone: a job that configures has Label Studio write the connection back as it has
        # read it, over what somebody corrects in the next seconds.
        pending_work.request(redis, project_id, Work.SYNC)
    return jsonify({"model_version": context.version})


@protocol.post("/predict")
def predict() -> Response:
    """Masks for tasks: exactly one item for each, in their order; by the process that predicts, if there is
    one."""
    if not _predictions.acquire(blocking=False):
        raise RequestError(
            f"{PREDICTIONS_AT_ONCE} predictions are being made already; try again in a moment.", 503
        )
    predictor: Predictor | None = current_app.config.get(PREDICTOR)
    try:
        answer = _predict() if predictor is None else predictor.answer()
    finally:
        _predictions.release()
    count_predictions(answer.headers.get(OUTCOMES, ""))
    return answer


def _predict() -> Response:
    # Here, as it takes seconds and half a gigabyte, of which the public process has no use.
    from backend.web.segmenter import Segmenter

    content = payload.json_object()
    project_id = payload.project_number(content.get("project"))
    tasks = payload.tasks(content)
    schema = payload.text(content, "label_config")
    payload.params(content)  # of interactive labelling: changes nothing, as the network sees only the image
    parse(schema)
    context = project_context(project_id)
    require_known(context, ask=True)
    started = time.monotonic()
    segmenter = Segmenter(project_id, schema, context=context)
    # One after the other: as bytes they take an eighth of the memory.
    items = [json.dumps(item, separators=(",", ":")).encode() for item in segmenter.predict_each(tasks)]
    log.info("%d tasks predicted in %.2f s", len(tasks), time.monotonic() - started)
    commas = [b","] * (len(items) - 1) + [b"]}"]
    parts = [part for pair in zip(items, commas, strict=True) for part in pair]
    answer = Response([b'{"results":[', *parts], mimetype="application/json")
    answer.headers[OUTCOMES] = describe_outcomes(project_id, segmenter.outcomes)
    return answer


@protocol.post("/webhook")
def webhook() -> tuple[Response, int] | Response:
    """Events of Label Studio: noted with a few commands to Redis, since an annotator waits for the answer."""
    content = payload.json_object()
    action = payload.text(content, "action")
    project_id = payload.project_number(content.get("project"))
    context = project_context(project_id)
    if action == START_TRAINING:
        require_known(context)
        return jsonify({"job": enqueue.start_training(project_id)}), 201
    event = pending_work.read_event(action, content)
    backlog = current_app.config["BACKLOG"]
    if len(backlog) == 0:  # else Redis is away, and cannot tell
        require_known(context)
    if event is not None:
        backlog.record(project_id, event)
    return jsonify({"noted": event is not None}), 201


@protocol.get("/versions")
def versions() -> Response:
    """The versions of all projects, or of ?project=; Label Studio does not say which project it asks for."""
    settings, redis = current_app.config["SETTINGS"], current_app.config["REDIS"]
    asked = request.args.get("project")
    numbers = [payload.project_number(asked)] if asked is not None else pending_work.projects(redis)
    if (allowed := allowed_project()) is not None:
        numbers = [number for number in numbers if number == allowed]
    storage = Storage.of(settings)
    found = {name for number in numbers for name in Versions(storage, number).names()}
    return jsonify({"versions": sorted(found, key=lambda name: int(name[1:]))})


def project_context(project_id: int) -> Context:
    """The context of a request: with the connection to Redis that fails fast.
    Raises RequestError (403) for another project than the credential's."""
    require_project(project_id)
    logs.bind(project=project_id)
    context = open_context(project_id, current_app.config["SETTINGS"])
    context.redis = current_app.config["REDIS"]
    return context


def require_known(context: Context, *, ask: bool = False) -> None:
    """Raise NotConnectedError or UnknownProjectError (404) for a project that this service does not know (see
    backend.project.registry).

    A GET, which any page of the web can make a browser send, enrols none.
    """
    registry.require_known(context, ask=ask, enrol=request.method not in ("GET", "HEAD"))
