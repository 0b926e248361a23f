"""A project's state and its versions, as programs get them in JSON."""

from __future__ import annotations

import json
from typing import Any

from backend.project import status, version_list


def read_status(project_id: int) -> dict[str, Any]:
    """What `status --json` and GET /projects/<id>/status give."""
    found: dict[str, Any] = json.loads(json.dumps(status.read_status(project_id).to_dict()))
    return found


def list_versions(project_id: int) -> dict[str, Any]:
    """What `versions --json` gives."""
    found: dict[str, Any] = json.loads(json.dumps(version_list.list_versions(project_id).to_dict()))
    return found
