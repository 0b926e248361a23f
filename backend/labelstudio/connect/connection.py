"""Everything that Label Studio must be told of a project so that annotators are served the recommended order.
Safe to repeat."""

from __future__ import annotations

from collections.abc import Callable

from backend.errors import LabelStudioError
from backend.finding import Finding, Severity
from backend.labelstudio.client import LabelStudio
from backend.labelstudio.connect.inspection import Inspection, Intention
from backend.labelstudio.connect.instructions import check_instructions
from backend.labelstudio.connect.labelling import check_labelling
from backend.labelstudio.connect.ml_backend import check_backend, explain_refusal, remedy_of
from backend.labelstudio.connect.options import check_annotations, check_masks_shown, check_sampling
from backend.labelstudio.connect.own_service import OwnService
from backend.labelstudio.connect.record import Record
from backend.labelstudio.connect.tab import TAB_TITLE, check_tab
from backend.labelstudio.connect.webhook import check_webhook

Check = Callable[[Inspection], list[Finding]]


def check(
    client: LabelStudio, project_id: int, own: OwnService, *, record: Record | None = None, order: str = ""
) -> list[Finding]:
    """Look at everything `configure` sets, and change nothing.
    Raises ApiKeyError, UnknownProjectError, UnreachableError."""
    found = _inspection(client, project_id, own, record, order, change=False)
    found.read_connections()
    config = check_labelling(found.project.label_config)
    return config + _look(found, usable=not _is_refused(config))


def plan_connection(
    client: LabelStudio, project_id: int, own: OwnService, *, record: Record | None = None, order: str = ""
) -> list[Intention]:
    """What `configure` would change, in its order; nothing where the labelling configuration cannot be used.
    Changes nothing. Raises ApiKeyError, UnknownProjectError, UnreachableError."""
    found = _inspection(client, project_id, own, record, order, change=False)
    if _is_refused(check_labelling(found.project.label_config)):
        return []
    found.read_connections()
    _look(found)
    return found.intended


def configure(
    client: LabelStudio, project_id: int, own: OwnService, *, record: Record | None = None, order: str = ""
) -> list[Finding]:
    """Connect and configure a project;
    what is right already stays untouched, so it can be repeated, also after connecting by hand.

    "Uncertainty sampling" and masks that are shown; instructions where there are none;
    a tab in the recommended order; one ML backend with its Basic auth;
    one webhook with an Authorization header in place of the bare one that Label Studio makes.
    `order` is the round in force.
    What Label Studio refuses is a finding of severity "error", and the rest is configured.
    A labelling configuration that cannot be used is refused: then nothing is changed.
    What there was before goes into `record` first.
    Raises ApiKeyError, UnknownProjectError, UnreachableError, StorageError.
    """
    found = _inspection(client, project_id, own, record, order, change=True)
    config = check_labelling(found.project.label_config)
    if _is_refused(config):
        text = "nothing was changed in this project, as its labelling configuration cannot be used"
        return [
            *config,
            Finding("backend", Severity.ERROR, text, f"correct it, then: {found.command}"),
            *check_annotations(found),
        ]
    found.read_connections()
    if record is not None:
        first = not any((view.get("data") or {}).get("title") == TAB_TITLE for view in found.views)
        record.keep(found.options, found.hooks, found.backends, found.views, first=first)
    return config + _look(found)


def _is_refused(config: list[Finding]) -> bool:
    return any(finding.severity is Severity.ERROR for finding in config)


def _look(found: Inspection, *, usable: bool = True) -> list[Finding]:
    # The backend comes last but for the webhook:
    # connecting it calls this service, which then looks at the project as well.
    before = [*_guard(found, "sampling", check_sampling), *_guard(found, "masks", check_masks_shown)]
    if usable:  # both depend on what the labelling configuration draws
        before += [*_guard(found, "instructions", check_instructions), *_guard(found, "tab", check_tab)]
    backend = _guard(found, "backend", check_backend)
    if any(finding.severity is Severity.FIXED for finding in backend):
        _read_hooks_again(found)  # Label Studio makes a bare one for a backend
    return [*backend, *_guard(found, "webhook", check_webhook), *before, *check_annotations(found)]


def _guard(found: Inspection, subject: str, look: Check) -> list[Finding]:
    try:
        return look(found)
    except LabelStudioError as error:
        if error.status is None or error.status == 401:
            raise
        if subject not in ("webhook", "backend"):
            return [Finding(subject, Severity.ERROR, str(error), f"then run: {found.command}")]
        return [
            Finding(
                subject, Severity.ERROR, explain_refusal(str(error), found.own.url), remedy_of(str(error))
            )
        ]


def _read_hooks_again(found: Inspection) -> None:
    before = {hook["id"] for hook in found.hooks}
    found.read_connections()
    for hook in found.hooks:
        if hook["id"] not in before and found.own.is_hook(hook):
            found.note_made("webhooks", hook)
            found.new_hooks.add(int(hook["id"]))


def _inspection(
    client: LabelStudio, project_id: int, own: OwnService, record: Record | None, order: str, *, change: bool
) -> Inspection:
    project, options = client.project(project_id), client.project_options(project_id)
    return Inspection(client, project, options, own, change, record, order)
