"""The addresses of the pages. Each only reads Redis and files."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from flask import Blueprint, Response, current_app, jsonify, make_response, render_template, send_file

from backend.errors import RequestError
from backend.labelstudio.order.rounds import is_round, order_title
from backend.project.context import Context
from backend.project.status import read_status
from backend.project.time_spent import duration
from backend.project_settings import DEFAULT_STRATEGY
from backend.queue import pending_work
from backend.queue.project_info import ProjectInfo
from backend.queue.task_names import NAMED
from backend.store.round_pictures import SIMILARITY, picture_name
from backend.web.answers import wants_page
from backend.web.cross_site import page_token
from backend.web.pages.good_enough import LEGEND
from backend.web.pages.page import collect
from backend.web.pages.words import failure, headline, plural, skipped_text
from backend.web.protocol import health, project_context, require_known
from model.strategies import strategies

NO_HOST = "http://localhost:8080"
"""What Label Studio tells of itself where LABEL_STUDIO_HOST is not set."""
LONGEST_NAME = 40
"""Characters of a round's name in an address; no round is called anything longer."""

pages = Blueprint(
    "pages", __name__, template_folder="templates", static_folder="static", static_url_path="/pages"
)
pages.add_app_template_filter(duration, "duration")
pages.add_app_template_filter(plural, "plural")
pages.add_app_template_filter(order_title, "order_title")


@pages.app_template_filter("moment")
def moment(value: str | None) -> str:
    """A time in ISO 8601 (UTC) to the minute; the page's script turns it into the reader's own."""
    return f"{value[:10]} {value[11:16]} UTC" if value else ""


@pages.app_template_filter("iso")
def iso(seconds: float) -> str:
    """Seconds since 1970 as ISO 8601 in UTC."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")


@pages.get("/")
def projects() -> Response | str:
    """All projects for people; that the process answers, for programs."""
    if not wants_page():
        return health()
    states = [read_status(number) for number in pending_work.projects(current_app.config["REDIS"])]
    known = [
        {"state": state, "headline": headline(state, current_app.config["SETTINGS"])} for state in states
    ]
    return render_template("projects.html", projects=known, **_common())


@pages.get("/projects/<int:project_id>", strict_slashes=False)
def project(project_id: int) -> str:
    """The page of a project."""
    context = _known(project_id)
    page = collect(context)
    # As /status gives it, key for key: the page's script compares the two.
    values = {
        "page": page,
        "state_json": json.dumps(page.state.to_dict()),
        "strategies": {name: strategy.asks_for for name, strategy in strategies().items()},
        "usual": DEFAULT_STRATEGY,
        "token": page_token(),
    }
    return render_template(
        "project.html",
        **values,
        failure=failure,
        skipped_text=skipped_text,
        legend=LEGEND,
        label_studio=_label_studio(context),
    )


@pages.get("/projects/<int:project_id>/rounds/<name>/pictures/<int:task>.jpg")
def picture(project_id: int, name: str, task: int) -> Response:
    """A task's picture with the mask that a round drew on it."""
    path = _path(_known(project_id), name, lambda folder: picture_name(folder, task))
    return _kept_by_browsers(make_response(send_file(path, mimetype="image/jpeg")))


@pages.get("/projects/<int:project_id>/rounds/<name>/similarity.json")
def similarity(project_id: int, name: str) -> Response:
    """The map of what a round was decided from."""
    context = _known(project_id)
    path = _path(context, name, lambda folder: f"{folder}/{SIMILARITY}")
    content = json.loads(path.read_bytes())
    told_of = [int(task) for group in content["groups"] for task in group[:NAMED] if task.isdigit()]
    return _kept_by_browsers(jsonify(content | {"names": context.task_names(told_of)}))


def _path(context: Context, name: str, where: Callable[[str], str]) -> Path:
    path = (
        context.storage.get(where(f"{context.folder}/rounds/{name}"))
        if len(name) <= LONGEST_NAME and is_round(name)
        else None
    )
    if path is None or not path.is_file():
        raise RequestError(
            f"Round {name[:LONGEST_NAME]} of project {context.project_id} has no such file (any more); reload"
            " the page.",
            404,
        )
    return path


def _kept_by_browsers(answer: Response) -> Response:
    answer.headers["Cache-Control"] = "private, max-age=86400"  # what a round has drawn does not change
    return answer


def _known(project_id: int) -> Context:
    """The context of a project that this service knows, without asking Label Studio.
    Raises RequestError (404)."""
    context = project_context(project_id)
    require_known(context)
    return context


def _label_studio(context: Context) -> str:
    """The address at which browsers reach Label Studio: as the settings say, or as it has told of itself."""
    told = (ProjectInfo.load(context.redis, context.project_id).hostname or "").rstrip("/")
    if told == NO_HOST or not told.startswith(("http://", "https://")):
        told = ""
    settings = context.settings
    return settings.label_studio_public_url or told or settings.label_studio_url


def _common() -> dict[str, str]:
    settings = current_app.config["SETTINGS"]
    return {"label_studio": settings.label_studio_public_url or settings.label_studio_url}
