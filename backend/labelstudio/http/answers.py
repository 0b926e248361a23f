"""Label Studio's JSON, as far as this service reads or writes it. Any key may be missing in an answer."""

from __future__ import annotations

from typing import Any, TypedDict


class Region(TypedDict, total=False):
    """A region of an annotation or a prediction."""

    id: str
    type: str  # "brushlabels", "polygonlabels", ...
    from_name: str  # the control that made it
    to_name: str  # the image's name in the configuration
    original_width: int  # pixels
    original_height: int
    image_rotation: int
    origin: str
    value: dict[str, Any]  # by type
    score: float | None
    meta: dict[str, list[str]]  # "text": what the Info panel shows


class Annotation(TypedDict, total=False):
    """What a person has drawn or skipped."""

    id: int
    task: int
    result: list[Region]
    was_cancelled: bool  # a skip
    ground_truth: bool
    completed_by: int | dict[str, Any] | None
    created_username: str  # name, address and number of who submitted it
    lead_time: float | None  # seconds that it was open
    created_at: str  # ISO 8601, UTC
    updated_at: str
    parent_prediction: int | None


class Task(TypedDict, total=False):
    """A task; what a list does not give is empty."""

    id: int
    project: int
    data: dict[str, Any]
    meta: dict[str, Any]
    updated_at: str  # ISO 8601, UTC
    annotations: list[Annotation]
    predictions: list[dict[str, Any]]
    drafts: list[dict[str, Any]]
    is_labeled: bool
    total_annotations: int  # without skips
    predictions_score: float | None  # of the version in force, where it is filtered or ordered by
    annotators: list[int]  # where it is filtered by


class Draft(TypedDict, total=False):
    """What somebody has drawn and not submitted."""

    id: int
    annotation: int | None  # that it changes


class Filter(TypedDict):
    """A condition of the Data Manager's list of tasks."""

    filter: str  # "filter:tasks:<column>"
    operator: str
    type: str
    value: object


def condition(column: str, operator: str, value: object, kind: str = "Number") -> Filter:
    """That a column of the tasks, of a `kind` that Label Studio knows, holds some value."""
    return {"filter": f"filter:tasks:{column}", "operator": operator, "type": kind, "value": value}


class TaskPage(TypedDict):
    """A page of the Data Manager's list."""

    tasks: list[Task]
    total: int


class NewPrediction(TypedDict, total=False):
    """A prediction to write."""

    task: int
    result: list[Region]
    score: float
    model_version: str


class Webhook(TypedDict, total=False):
    """Where Label Studio tells of a project's labels."""

    id: int
    project: int | None  # None: of the organization
    url: str
    headers: dict[str, str]
    send_payload: bool
    send_for_all_actions: bool
    actions: list[str]
    is_active: bool


class View(TypedDict, total=False):
    """A tab of the Data Manager."""

    id: int
    order: int
    data: dict[str, Any]


class Column(TypedDict, total=False):
    """A column that a tab can show."""

    id: str
    title: str
    type: str


class MlBackend(TypedDict, total=False):
    """A connection of a project to a service."""

    id: int
    url: str
    title: str
    state: str
    readable_state: str
    auth_method: str
    basic_auth_user: str | None
    extra_params: str | dict[str, Any] | None
    error_message: str | None
