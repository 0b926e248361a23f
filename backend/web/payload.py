"""Request bodies as Label Studio sends them, checked before anything is done with them."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from flask import current_app, request
from werkzeug.exceptions import ClientDisconnected, RequestEntityTooLarge
from werkzeug.routing import IntegerConverter, Map

from backend.errors import RequestError
from backend.project.registry import MOST_PROJECTS

MOST_TASK = 2**63 - 1
"""The largest number that Label Studio's database gives a task."""


class Number(IntegerConverter):
    """Numbers in addresses: of projects and tasks, as Label Studio gives them;
    anything longer is no known address."""

    regex = r"\d{1,10}"

    def __init__(self, url_map: Map) -> None:
        super().__init__(url_map, max=MOST_PROJECTS)


def json_object(*, optional: bool = False) -> dict[str, Any]:
    """The request's body, a JSON object; with `optional`, nothing means an empty one. Raises RequestError."""
    body = _body()
    if optional and not body.strip():
        return {}
    try:
        content = json.loads(body)
        if (
            b"\\ud" in body.lower()
        ):  # perhaps half a character, which JSON can say but nobody can store: it becomes a question mark
            content = json.loads(json.dumps(content, ensure_ascii=False).encode("utf-8", "replace"))
    except RecursionError as error:
        raise RequestError("The request's JSON is nested too deeply, expected a plain object.") from error
    except ValueError as error:
        raise RequestError(f"The request's body is no JSON ({error}), expected a JSON object.") from error
    if not isinstance(content, dict):
        raise RequestError(f"The request's body is {_kind(content)}, expected a JSON object.")
    return content


def _body() -> bytes:
    """The body up to the limit. Raises RequestEntityTooLarge."""
    if request.content_length is not None:
        return request.get_data(cache=False)  # which looks at the length first
    limit = int(current_app.config["MAX_CONTENT_LENGTH"])
    try:
        body: bytes = request.environ["wsgi.input"].read(limit + 1)  # sent in chunks, without a length
    except OSError as error:
        raise ClientDisconnected from error
    if len(body) > limit:
        raise RequestEntityTooLarge
    return body


def project_number(value: object) -> int:
    """The number of a project as Label Studio writes it:
    2, "2" or "2.1795346628" (with the time it was made)."""
    if isinstance(value, Mapping):
        value = value.get("id")
    text = str(value) if isinstance(value, int | str) and not isinstance(value, bool) else ""
    match = re.fullmatch(r"(\d{1,10})(\.\d{1,20})?", text, re.ASCII)
    number = int(match[1]) if match else 0
    if not 1 <= number <= MOST_PROJECTS:
        raise RequestError(
            f"project: found {_shown(value)}, expected a project's number such as 2 or '2.1795346628'."
        )
    return number


def text(content: Mapping[str, Any], name: str) -> str:
    """A text in the body. Raises RequestError when it is missing or something else."""
    value = content.get(name)
    if not isinstance(value, str):
        raise RequestError(f"{name}: found {_shown(value)}, expected text.")
    return value


def tasks(content: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The tasks of /predict: at least one, each with a number and its data. Raises RequestError."""
    value = content.get("tasks")
    if not isinstance(value, list) or not value:
        raise RequestError(f"tasks: found {_shown(value)}, expected a list of at least one task.")
    for index, task in enumerate(value):
        if not isinstance(task, dict):
            raise RequestError(f"tasks[{index}]: found {_kind(task)}, expected an object with id and data.")
        if not isinstance(task.get("id"), int) or isinstance(task.get("id"), bool):
            raise RequestError(f"tasks[{index}].id: found {_shown(task.get('id'))}, expected a whole number.")
        if not isinstance(task.get("data"), dict):
            raise RequestError(f"tasks[{index}].data: found {_kind(task.get('data'))}, expected an object.")
    return value


def task_numbers(content: Mapping[str, Any]) -> list[int]:
    """The numbers of tasks in "tasks"; none if it is missing. Raises RequestError."""
    value = content.get("tasks", [])
    if not isinstance(value, list):
        raise RequestError(f"tasks: found {_shown(value)}, expected a list of task numbers.")
    for task in value:
        if not isinstance(task, int) or isinstance(task, bool) or not 1 <= task <= MOST_TASK:
            raise RequestError(f"tasks: found {_shown(task)}, expected a list of task numbers.")
    return value


def params(content: Mapping[str, Any]) -> dict[str, object] | None:
    """What interactive labelling sends along (`params.context`). Raises RequestError."""
    value = content.get("params")
    if value is None:
        return None
    if not isinstance(value, dict):
        raise RequestError(f"params: found {_kind(value)}, expected an object.")
    context = value.get("context")
    if context is not None and not isinstance(context, dict):
        raise RequestError(f"params.context: found {_kind(context)}, expected an object or null.")
    return context


def _kind(value: object) -> str:
    names = {
        dict: "an object",
        list: "a list",
        str: "text",
        bool: "true or false",
        int: "a number",
        float: "a number",
        type(None): "nothing",
    }
    return names.get(type(value), type(value).__name__)


def _shown(value: object) -> str:
    return repr(value)[:60] if isinstance(value, str | int | float) else _kind(value)
