"""The item "Recompute queries" of the Data Manager's "Actions" menu.
It concerns the whole project, whatever tasks are selected."""

from __future__ import annotations

import logging
from typing import Any

from recompute_queries import backend, form

log = logging.getLogger(__name__)

TITLE = "Recompute queries"
TEXT = (
    "Compute a new order. New labels are learnt first; then the order of all unlabelled tasks is computed and"
    " written anew, not only of the selected ones. The usual strategy takes seconds to minutes; one that"
    " trains networks to compare the images takes up to hours. Annotators go on meanwhile in the order of"
    " before. No label is changed. Another budget, strategy or options hold until its batch is labelled;"
    " until then labels renew the masks, not the order. An empty option is as the strategy has it by itself;"
    " docs/settings.md says what each does."
)
WHO = "For the project's creator and the organization's owner."
ORDER = 80
"""Above Label Studio's own items about predictions and deletions."""
SECONDS = 5.0
"""The backend only notes the request, in a fraction of a second."""


def recompute_queries(project: Any, queryset: Any, request: Any = None, **others: Any) -> dict[str, object]:
    """Ask the project's ML backend for a round, and tell the outcome in one sentence.
    Runs in the request, so it waits for nothing."""
    del queryset, others
    if not may_recompute(getattr(request, "user", None), project):
        return _refused(
            403,
            "Recompute queries is for the project's creator and the organization's owner; ask one of them,"
            f" {_names(project)}.",
        )
    try:
        options = form.read_options(request.data)
    except ValueError as error:
        return _refused(400, str(error))
    answer = backend.ask(project, "POST", f"projects/{project.id}/recompute", seconds=SECONDS, body=options)
    log.info("project %s: recompute queries: %s", project.id, answer)
    if answer is None:
        return _refused(
            409,
            "No ML backend is connected to this project; connect it under Settings, Model, or with: "
            f"python -m backend connect --project {project.id}",
        )
    return _outcome(answer, project.id)


def may_recompute(user: Any, project: Any) -> bool:
    """Whether the user made the project or owns its organization;
    in the community edition every member has every permission."""
    return (
        user is not None
        and user.id is not None
        and user.id in (project.created_by_id, project.organization.created_by_id)
    )


def register() -> None:
    """Add the action to Label Studio's. Raises where Label Studio is other than expected."""
    from core.permissions import all_permissions
    from data_manager.actions import register_action

    register_action(
        recompute_queries,
        TITLE,
        ORDER,
        # who may is checked in the action: permissions do not tell members apart
        permission=all_permissions.projects_view,
        disabled=lambda user, project: not may_recompute(user, project),
        disabled_reason=WHO,
        dialog={
            "title": TITLE,
            "text": TEXT,
            "type": "confirm",
            "form": lambda user, project: form.fields(project) if may_recompute(user, project) else [],
        },
    )


def _outcome(answer: backend.Answer, project_id: int) -> dict[str, object]:
    said = str(answer.content.get("message") or "").rstrip(".")
    if answer.status in range(200, 300):
        page = str(answer.content.get("page") or "")
        if not page.startswith(("http://", "https://")):  # people click on it
            page = f"{answer.url}/projects/{project_id}"
        return {
            "response_code": 202,
            "async": True,  # makes the page say that something was started, where it cannot show `detail`
            "job": answer.content.get("job"),
            "page": page,
            "detail": (
                f"Started: job {answer.content.get('job')}. Follow it at {page}, and reload this page when it"
                " is done."
            ),
        }
    if answer.status == 0:
        return _refused(
            424,
            f"The ML backend at {answer.url} does not answer; start it, or correct its address under"
            f" Settings, Model ({answer.problem[:200]}).",
        )
    if answer.status == 401:
        return _refused(
            424,
            f"The ML backend at {answer.url} does not accept the user and password that Label Studio has for"
            " it; give it those of BASIC_AUTH_USER and BASIC_AUTH_PASS under Settings, Model, or with:"
            f" python -m backend connect --project {project_id}",
        )
    if not answer.ours:
        return _refused(
            424,
            f"The ML backend at {answer.url} does not know recomputes (it answered {answer.status}); correct"
            " its address under Settings, Model.",
        )
    return _refused(400 if answer.status < 500 else 424, f"The ML backend refused: {said or answer.status}.")


def _refused(status: int, text: str) -> dict[str, object]:
    """An answer that the page shows as an error. Never 401, 404 or 5xx:
    the page would leave, say nothing, or show a dialog of its own."""
    return {"response_code": status, "detail": text}


def _names(project: Any) -> str:
    people = dict.fromkeys(
        str(user.email) for user in (project.created_by, project.organization.created_by) if user is not None
    )
    return " or ".join(people) or "whoever runs this server"
