"""Studies that go on where they were: a JSON file of their settings and of what is finished."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from model.errors import ResultsError
from model.experiment.results import check_agreement


def load_or_begin(path: Path, settings: dict[str, Any], part: str) -> dict[str, Any]:
    """{"settings": ..., part: {...}} of `path`, or with an empty part where there is no file yet.

    Raises ResultsError when the file cannot be read or was made under other settings; it is left as it is.
    """
    if not path.exists():
        return {"settings": settings, part: {}}
    try:
        content: dict[str, Any] = json.loads(path.read_text())
        finished, stored = content[part], content["settings"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ResultsError(
            f"{path} cannot be read ({error!r}); give another --out, or delete {path} to start anew"
        ) from error
    check_agreement(stored, settings, settings.keys(), path)
    return {"settings": settings, part: finished}
