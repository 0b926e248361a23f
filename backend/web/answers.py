"""Answers to requests that cannot be served: always JSON with a message for people, never a traceback."""

from __future__ import annotations

import logging
import re

from flask import Flask, Response, jsonify, make_response, render_template, request
from redis.exceptions import RedisError
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge
from werkzeug.http import HTTP_STATUS_CODES

from backend.errors import (
    ApiKeyError,
    BackendError,
    ConfigError,
    NotConnectedError,
    QueueError,
    RequestError,
    SettingsError,
    StorageError,
    UnknownProjectError,
    UnreachableError,
    VersionError,
)
from backend.queue.connection import explain
from backend.web.requests import request_id

log = logging.getLogger(__name__)

LONGEST_REASON = 400
"""Characters of a message in the status line."""

_STATUS: tuple[tuple[type[BackendError], int], ...] = (
    (NotConnectedError, 404),
    (UnknownProjectError, 404),
    (VersionError, 404),
    (ConfigError, 422),
    (SettingsError, 422),
    (UnreachableError, 502),
    (ApiKeyError, 502),
    (QueueError, 503),
    (StorageError, 503),
)


def error_answer(status: int, message: str) -> Response:
    """{"error", "message"} with a status line that holds the message too;
    a page where a person asked for one, or for no known address.

    Label Studio shows an administrator the status line of a failed request, and nothing else of the answer.
    """
    name = HTTP_STATUS_CODES.get(status, "Error")
    if (request.blueprint == "pages" or request.url_rule is None) and wants_page():
        answer = make_response(render_template("error.html", name=name, message=message))
    else:
        answer = jsonify({"error": name, "message": message})
    reason = re.sub(r"[^\x20-\x7e]+", " ", message).strip()[:LONGEST_REASON]
    answer.status = f"{status} {reason or name}"
    return answer


def wants_page() -> bool:
    """Whether a browser asks, for a person to read; programs that say nothing get JSON."""
    return request.accept_mimetypes.best_match(["application/json", "text/html"]) == "text/html"


def register_errors(app: Flask) -> None:
    """Answer every error of every request of the app."""

    @app.errorhandler(HTTPException)
    def refused(error: HTTPException) -> Response:
        message = error.description or error.name
        if isinstance(error, RequestEntityTooLarge):
            message = (
                f"The request is larger than {app.config['MAX_CONTENT_LENGTH'] / 2**20:g} MiB (MAX_BODY_MB);"
                " send fewer tasks at once."
            )
        answer = error_answer(error.code or 500, message)
        for name, value in error.get_headers():
            if name.lower() in ("allow", "www-authenticate", "retry-after"):
                answer.headers[name] = value
        return answer

    @app.errorhandler(RequestError)
    def malformed(error: RequestError) -> Response:
        return error_answer(error.status, str(error))

    @app.errorhandler(BackendError)
    def failed(error: BackendError) -> Response:
        status = next((code for kind, code in _STATUS if isinstance(error, kind)), 500)
        log.warning("answered %d: %s", status, error)
        return error_answer(status, str(error))

    @app.errorhandler(RedisError)
    def redis_away(error: RedisError) -> Response:
        problem = explain(error)
        log.error("%s (%s)", problem, error)
        return error_answer(503, problem)

    @app.errorhandler(Exception)
    def defect(error: Exception) -> Response:
        log.exception("a defect", exc_info=error)
        return error_answer(500, f"A defect of this service, noted in its log under request={request_id()}.")
