"""What administrators and scripts ask about a project, and what they may have done."""

from __future__ import annotations

from flask import Blueprint, Response, current_app, jsonify, redirect, request, send_file, url_for
from werkzeug.wrappers import Response as WerkzeugResponse

from backend.errors import QueueError, RequestError
from backend.export.archive import fetch_archive
from backend.project.status import read_status
from backend.project_settings import MOST_BUDGET, parse_project_settings, parse_round_options
from backend.queue import pending_work
from backend.queue.enqueue import (
    enqueue_export,
    enqueue_rollback,
    enqueue_round,
    enqueue_training,
    enqueue_unskip,
)
from backend.queue.follow import follow
from backend.queue.project_info import ProjectInfo
from backend.queue.project_jobs import cancel
from backend.store.version_history import ON_PAGE
from backend.web import payload
from backend.web.answers import wants_page
from backend.web.cross_site import HEADER
from backend.web.protocol import project_context, require_known
from model.export.mask_format import MaskFormat
from model.strategies import strategy_names, strategy_options

LABEL_STUDIO_AGENT = "heartex/"
"""How Label Studio names itself in its requests to ML backends, before its version."""

projects = Blueprint("projects", __name__, url_prefix="/projects")


@projects.get("", strict_slashes=False)
def list_projects() -> Response | WerkzeugResponse:
    """The numbers of all projects that are connected here; people find the page of all projects instead."""
    if wants_page():
        return redirect(url_for("pages.projects"))
    return jsonify({"projects": pending_work.projects(current_app.config["REDIS"])})


@projects.get("/<int:project_id>/status")
def status(project_id: int) -> Response:
    """The state of a project (see backend.project.project_status)."""
    require_known(project_context(project_id), ask=True)
    return jsonify(read_status(project_id).to_dict())


@projects.post("/<int:project_id>/recompute")
def recompute(project_id: int) -> tuple[Response, int]:
    """Compute the order anew;
    answers at once with the job that does it, and the page that shows how far it is.

    An optional {"budget", "strategy", and options of it} holds until the batch of this round is labelled.
    """
    options = parse_round_options(payload.json_object(optional=True))
    require_known(project_context(project_id), ask=True)
    job = enqueue_round(
        project_id,
        _where_requested(),
        budget=options.budget,
        strategy=options.strategy,
        options=options.strategy_options,
    )
    return jsonify({"job": job, "page": current_app.config["SETTINGS"].page_of(project_id)}), 202


@projects.get("/<int:project_id>/recompute")
def recompute_options(project_id: int) -> Response:
    """What a recompute may be asked for, and what it does if nothing is;
    from Redis alone, as a dialog in Label Studio waits for it."""
    context = project_context(project_id)
    require_known(context)
    extra = ProjectInfo.load(context.redis, project_id).extra_params
    options = parse_project_settings(extra, context.settings.project_defaults)
    listed = [
        {
            "name": name,
            "help": declared.help,
            "strategies": list(takers),
            "kind": declared.kind.__name__,
            # Empty, each strategy's own, where strategies have other defaults: what is sent back counts.
            "value": options.strategy_options.get(
                name, declared.default if len(set(takers.values())) == 1 else ""
            ),
            "least": declared.least,
            "most": declared.most,
            "choices": declared.choices,
        }
        for name, (declared, takers) in strategy_options().items()
    ]
    return jsonify(
        {
            "budget": options.budget,
            "most_budget": MOST_BUDGET,
            "strategy": options.strategy,
            "strategies": list(strategy_names()),
            "options": listed,
        }
    )


@projects.post("/<int:project_id>/train")
def train(project_id: int) -> tuple[Response, int]:
    """Train on all labels now; answers at once with the job that does it."""
    require_known(project_context(project_id), ask=True)
    return jsonify({"job": enqueue_training(project_id, reason=_where_requested())}), 202


@projects.post("/<int:project_id>/rollback")
def rollback(project_id: int) -> tuple[Response, int]:
    """Put {"version"} in use, back or forward; answers at once with the job that does it."""
    version = payload.text(payload.json_object(), "version")
    require_known(project_context(project_id), ask=True)
    who = (request.authorization.username if request.authorization else None) or ""
    return jsonify({"job": enqueue_rollback(project_id, version, reason=_where_requested(), who=who)}), 202


@projects.post("/<int:project_id>/unskip")
def unskip(project_id: int) -> tuple[Response, int]:
    """Put skipped tasks back, {"tasks": [numbers]} or all that nobody is waited for;
    answers at once with the job that does it."""
    tasks = payload.task_numbers(payload.json_object(optional=True))
    require_known(project_context(project_id), ask=True)
    return jsonify({"job": enqueue_unskip(project_id, tasks)}), 202


@projects.post("/<int:project_id>/export")
def export(project_id: int) -> tuple[Response, int]:
    """Write all masks into a zip file, as {"format"} or as PNG of class ids;
    answers at once with the job that does it."""
    given = payload.json_object(optional=True).get("format", MaskFormat.PNG)
    if given not in list(MaskFormat):
        raise RequestError(f"format: found {str(given)[:40]!r}, expected one of {', '.join(MaskFormat)}.")
    require_known(project_context(project_id), ask=True)
    return jsonify({"job": enqueue_export(project_id, str(given))}), 202


@projects.get("/<int:project_id>/masks.zip")
def masks(project_id: int) -> Response:
    """The zip file of the last export."""
    context = project_context(project_id)
    require_known(context)
    path = fetch_archive(context)
    if path is None:
        raise RequestError(
            f"Project {project_id} has no exported masks yet; press Export masks on its page, or POST"
            f" /projects/{project_id}/export.",
            404,
        )
    return send_file(path, mimetype="application/zip", as_attachment=True, download_name=path.name)


@projects.get("/<int:project_id>/jobs/<job_id>")
def job(project_id: int, job_id: str) -> Response:
    """How far a job of the project is, and the jobs that continue it (see backend.queue.follow)."""
    require_known(project_context(project_id))
    try:
        return jsonify(next(follow(project_id, job_id)))
    except QueueError as error:
        raise RequestError(str(error), 404) from error


@projects.post("/<int:project_id>/cancel")
def cancel_work(project_id: int) -> Response:
    """Cancel what runs and waits for the project."""
    require_known(project_context(project_id), ask=True)
    return jsonify({"jobs": cancel(project_id)})


def _where_requested() -> str:
    """Where a person pressed a button, for the records that tell why something was done."""
    if request.headers.get("User-Agent", "").startswith(LABEL_STUDIO_AGENT):
        return "asked for in Label Studio's Actions menu"
    return ON_PAGE if HEADER in request.headers else "asked for by a program over HTTP"
