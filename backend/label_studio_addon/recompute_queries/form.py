"""The form in the dialog:
budget, strategy and its options, filled with the project's own settings, which the backend tells."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from recompute_queries import backend

OPTION = "option_"
"""How the names of the fields for options begin."""
SECONDS = 3.0
"""The dialog is open and shows a spinner meanwhile."""


def fields(project: Any) -> list[dict[str, object]]:
    """What Label Studio's page draws;
    nothing where the backend does not tell, so that the outcome says what is wrong."""
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
    return [
        {
            "columnCount": 1,
            "fields": [budget, strategy, *(_field(option) for option in known.get("options", []))],
        }
    ]


def read_options(data: Mapping[str, Any]) -> dict[str, object]:
    """What was filled in, as the backend wants it, which checks it.
    Raises ValueError for a budget that is no number."""
    budget, strategy = str(data.get("budget") or "").strip(), data.get("strategy")
    found: dict[str, object] = {"strategy": strategy} if strategy else {}
    if budget:
        if not (budget.isascii() and budget.isdigit()):
            raise ValueError(f"Budget: found {budget[:40]!r}, expected a whole number such as 5.")
        found["budget"] = int(budget)
    options = {name.removeprefix(OPTION): value for name, value in data.items() if name.startswith(OPTION)}
    return found | {name: _value(str(value)) for name, value in options.items() if str(value or "").strip()}


def _field(option: Mapping[str, Any]) -> dict[str, object]:
    """How an option of strategies is filled in."""
    own = [""] if option["value"] == "" else []  # of strategies that have other defaults
    # One line: the page draws the field over a second one.
    label = f"{option['name']} (for {', '.join(option['strategies'])})"
    content = {"name": OPTION + option["name"], "label": label, "value": option["value"]}
    if option["kind"] == "bool":
        return content | {
            "type": "select",
            "value": str(option["value"]).lower(),
            "options": [*own, "false", "true"],
        }
    if option["choices"]:
        return content | {"type": "select", "options": [*own, *option["choices"]]}
    if option["kind"] == "int":
        return content | {"type": "counter", "min": option["least"], "max": option["most"]}
    return content | {"type": "input"}


def _value(text: str) -> Any:
    """A number, true or false where the text is one: the page sends everything as text."""
    try:
        return json.loads(text)
    except ValueError:
        return text
