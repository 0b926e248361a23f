"""Undoing what connecting has changed in a project: planned first, so that a person can say yes to it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from backend.errors import LabelStudioError
from backend.finding import Finding, Severity
from backend.labelstudio.client import LabelStudio
from backend.labelstudio.connect.instructions import NAME as INSTRUCTIONS
from backend.labelstudio.connect.own_service import OwnService
from backend.labelstudio.connect.record import Record
from backend.labelstudio.connect.tab import TAB_TITLE, is_unchanged, title_of
from backend.labelstudio.labels.config import parse
from backend.labelstudio.order.rounds import is_round

_WORDS = {
    "sampling": "the order of tasks (sampling)",
    "show_collab_predictions": "whether masks are shown",
    INSTRUCTIONS: "the labelling instructions",
}
"""Settings that connecting writes, as people call them."""


@dataclass(frozen=True)
class Change:
    """One thing that will be changed."""

    subject: str
    text: str
    """In words, what will be."""
    act: Callable[[], Any]


@dataclass(frozen=True)
class Plan:
    """What disconnecting will do, and what it leaves."""

    changes: list[Change]
    stays: list[str]
    """What a person has changed since, and other things that are left alone, in words."""


def plan_disconnection(client: LabelStudio, project_id: int, own: OwnService, record: Record) -> Plan:
    """Work out what brings a project back to what connecting found, and change nothing.

    Connections and webhooks that lead to this service go, whoever has made them; those of others stay.
    A setting is restored only where it still has the value that connecting wrote.
    Raises UnknownProjectError, UnreachableError, StorageError.
    """
    plan = Plan([], [])
    options = client.project_options(project_id)
    kept = record.read_of(options)
    _connections(client, project_id, own, record, plan)
    _settings(client, project_id, options, kept, plan)
    _tabs(client, project_id, str(options.get("label_config") or ""), kept, plan)
    return plan


def disconnect(plan: Plan) -> list[Finding]:
    """Carry a plan out; what Label Studio refuses is an error, and the rest is done."""
    found = []
    for change in plan.changes:
        try:
            change.act()
            found.append(Finding(change.subject, Severity.FIXED, change.text))
        except LabelStudioError as error:
            if error.status is None or error.status == 401:
                raise
            found.append(Finding(change.subject, Severity.ERROR, f"{change.text}: {error}"))
    return found


def _connections(client: LabelStudio, project_id: int, own: OwnService, record: Record, plan: Plan) -> None:
    for hook in client.webhooks(project_id):
        if hook.get("project") == project_id and own.is_hook(hook):
            remove = partial(client.delete_webhook, int(hook["id"]))
            plan.changes.append(Change("webhook", f"the webhook to {hook['url']} is removed", remove))
    for number, backend in enumerate(own.of_these(client.ml_backends(project_id))):
        extra = backend.get("extra_params") or {}
        in_use = number == 0  # the settings of another connection were never in force
        kept = "are kept for the next connect" if in_use else "were"
        with_extra = f"; its extra params {kept}: {extra}" if extra else ""
        text = f"the connection to {backend['url']} is removed{with_extra}"
        remove = partial(_remove, client, int(backend["id"]), record, extra if in_use else {})
        plan.changes.append(Change("backend", text, remove))


def _remove(client: LabelStudio, number: int, record: Record, extra: object) -> None:
    if extra:
        record.keep_extra_params(extra)
    client.delete_ml_backend(number)


def _settings(
    client: LabelStudio, project_id: int, options: Mapping[str, Any], kept: Mapping[str, Any], plan: Plan
) -> None:
    found, written = (kept.get("found") or {}).get("project") or {}, kept.get("set") or {}
    restored: dict[str, Any] = {}
    for name, words in _WORDS.items():
        if name not in written or name not in found:
            continue
        if options.get(name) == found[name]:  # perhaps by an earlier call, which was cut off
            continue
        if options.get(name) != written[name]:
            plan.stays.append(f"{words}: a person has changed it since")
        else:
            restored[name] = found[name]
            plan.changes.append(
                Change(
                    "settings",
                    _restored(name, options.get(name), found[name]),
                    partial(client.set_project_options, project_id, **{name: found[name]}),
                )
            )
    version = str(options.get("model_version") or "")
    if is_round(version):
        before = str(found.get("model_version") or "")
        before = before if before in client.versions(project_id) else ""
        text = f"the masks of {version} no longer order the tasks; they stay in Label Studio"
        change = partial(client.set_project_options, project_id, model_version=before)
        plan.changes.append(Change("masks", text, change))


def _tabs(
    client: LabelStudio, project_id: int, label_config: str, kept: Mapping[str, Any], plan: Plan
) -> None:
    views = client.views(project_id)
    made = set((kept.get("made") or {}).get("views") or ())
    gone = []
    for view in views:
        if title_of(view) != TAB_TITLE or view["id"] not in made:
            continue
        columns = [str(column["id"]) for column in client.columns(project_id)]
        if is_unchanged(view, columns, parse(label_config).image_key):
            gone.append(view["id"])
            remove = partial(client.delete_view, int(view["id"]))
            plan.changes.append(Change("tab", f"the tab {TAB_TITLE!r} is removed", remove))
        else:
            plan.stays.append(f"the tab {TAB_TITLE!r}: a person has changed it since")
    order = [view["id"] for view in (kept.get("found") or {}).get("views") or ()]
    left = [view["id"] for view in views if view["id"] not in gone]
    wanted = sorted(left, key=lambda view: order.index(view) if view in order else len(order))
    if gone and wanted and wanted != left:
        text = "the other tabs are in their order of before"
        plan.changes.append(Change("tab", text, partial(client.order_views, project_id, wanted)))


def _restored(name: str, now: object, before: object) -> str:
    """What becomes of a setting, in words; instructions are HTML, and no reading matter."""
    if name == INSTRUCTIONS:
        what = "those of before are back" if str(before or "").strip() else "there are none, as before"
        return f"the labelling instructions that connecting wrote go: {what}"
    return f"{_WORDS[name]}: {_shown(now)} becomes {_shown(before)} again"


def _shown(value: object) -> str:
    """A setting in a word or two."""
    if isinstance(value, bool):
        return "on" if value else "off"
    return str(value or "not set")
