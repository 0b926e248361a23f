"""The tab of the Data Manager that shows the recommended order: the open images, large, best first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from backend.finding import Finding, Severity
from backend.labelstudio.connect.inspection import Inspection
from backend.labelstudio.http.answers import condition
from backend.labelstudio.labels.config import parse

TAB_TITLE = "Recommended order"
ORDERING = ["tasks:predictions_score"]
_SHOWN = ("id",)
"""Columns beside the image. The score is none of them:
it is a place in the order, and the best, 0.045, looks like a bad one."""
_OLD_HIDDEN = [
    "tasks:annotations_results",
    "tasks:predictions_results",
    "tasks:file_upload",
    "tasks:storage_filename",
    "tasks:updated_by",
]
"""What the tab of an earlier edition hid."""


def check_tab(found: Inspection) -> list[Finding]:
    """There is one, of today's form unless a person has changed it, and it is the first."""
    if not found.project.tasks:
        # Label Studio cannot order no tasks by a score:
        # the tab, and with it the project's first page, would show an error.
        return [Finding("tab", Severity.OK, f"the tab {TAB_TITLE!r} is made as soon as there are tasks")]
    existing = next((view for view in found.views if title_of(view) == TAB_TITLE), None)
    columns = [str(column["id"]) for column in found.client.columns(found.project.id)]
    wanted = tab_data(columns, parse(found.project.label_config).image_key)
    if existing is None:
        return found.fix(
            "tab",
            f"there is no tab {TAB_TITLE!r}",
            "made",
            lambda: _make(found, wanted),
            Severity.WARNING,
            will=f"the Data Manager gets a tab {TAB_TITLE!r}, in the first place",
        )
    if _is_of_an_earlier_edition(existing):

        def change() -> None:
            found.client.update_view(found.project.id, int(existing["id"]), wanted)
            _put_first(found, int(existing["id"]))

        text = f"the tab {TAB_TITLE!r} has fifteen columns, and the image is the last"
        return found.fix(
            "tab",
            text,
            "shows the images, best first, and is the first tab",
            change,
            Severity.WARNING,
            will=f"the tab {TAB_TITLE!r} of an earlier edition shows the images, best first",
        )
    return [Finding("tab", Severity.OK, f"the tab {TAB_TITLE!r} is there")]


def tab_data(columns: Sequence[str], image_key: str) -> dict[str, object]:
    """The open tasks in the recommended order;
    as a list it shows the image and hides all `columns` that tell an annotator nothing."""
    hidden = [f"tasks:{column}" for column in columns if column not in (image_key, "data", *_SHOWN)]
    return _form(
        "grid", hidden
    )  # in a list Label Studio puts the image behind all other columns, 60 pixels wide


def is_unchanged(view: Mapping[str, Any], columns: Sequence[str], image_key: str) -> bool:
    """Whether a tab is as it was made, in this or an earlier edition; what the page adds does not count."""
    data = view.get("data") or {}
    now = all(data.get(name) == value for name, value in tab_data(columns, image_key).items())
    return now or _is_of_an_earlier_edition(view)


def _form(kind: str, hidden: Sequence[str]) -> dict[str, object]:
    return {
        "title": TAB_TITLE,
        "type": kind,
        "target": "tasks",
        "ordering": ORDERING,
        "gridWidth": 4,
        "columnsDisplayType": {"tasks:predictions_score": "Number"},
        "hiddenColumns": {"explore": list(hidden), "labeling": list(hidden)},
        "filters": {"conjunction": "and", "items": [condition("total_annotations", "equal", 0)]},
    }


def _make(found: Inspection, data: Mapping[str, object]) -> None:
    if not found.views:  # the page makes its own default tab only where there is none
        found.views.append(
            found.client.create_view(
                found.project.id, {"title": "Default", "type": "list", "target": "tasks"}
            )
        )
    made = found.client.create_view(found.project.id, data)
    found.note_made("views", made)
    _put_first(found, int(made["id"]))


def _put_first(found: Inspection, tab: int) -> None:
    """The first tab is what the Data Manager opens; the others keep their order."""
    found.client.order_views(
        found.project.id, [tab, *(int(view["id"]) for view in found.views if int(view["id"]) != tab)]
    )


def _is_of_an_earlier_edition(view: Mapping[str, Any]) -> bool:
    """Whether a tab is as an earlier edition made it, and no person has changed it since;
    what the page adds of itself does not count."""
    data = view.get("data") or {}
    return all(data.get(name) == value for name, value in _form("list", _OLD_HIDDEN).items())


def title_of(view: Mapping[str, Any]) -> str:
    """What a tab is called."""
    return str((view.get("data") or {}).get("title") or "")
