"""The form in the dialog: budget and strategy, filled with the project's own settings, which the backend tells."""

from __future__ import annotations

from typing import Any

from recompute_queries import backend

SECONDS = 3.0
"""The dialog is open and shows a spinner meanwhile."""


def fields(project: Any) -> list[dict[str, Any]]:
    """What Label Studio's page draws; nothing where the backend does not tell, so that the outcome says what is wrong."""
    answer = backend.ask(project, "GET", f"projects/{project.id}/recompute", seconds=SECONDS)
    known = answer.content if answer is not None and answer.status == 200 else {}
    if not known.get("strategies"):
        return []
    budget = {
        "type": "counter",
        "name": "budget",
        "label": "Budget: how many images to ask for",
        "value": known["budget"],
        "min": 1,
        "max": known["most_budget"],
    }
    strategy = {
        "type": "select",
        "name": "strategy",
        "label": "Strategy: how they are chosen",
        "value": known["strategy"],
        "options": known["strategies"],
    }
    return [{"columnCount": 1, "fields": [budget, strategy]}]


def wishes(data: dict[str, Any]) -> dict[str, Any]:
    """What was filled in, as the backend wants it. Raises ValueError for a budget that is no number."""
    budget, strategy = str(data.get("budget") or "").strip(), data.get("strategy")
    found: dict[str, Any] = {"strategy": strategy} if strategy else {}
    if budget:
        if not (budget.isascii() and budget.isdigit()):
            raise ValueError(f"Budget: found {budget[:40]!r}, expected a whole number such as 5.")
        found["budget"] = int(budget)
    return found
