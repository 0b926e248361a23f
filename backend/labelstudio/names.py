"""What people call the image of a task: its file name, as they uploaded it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from backend.errors import TaskImageError
from backend.labelstudio.images import address
from backend.labelstudio.labels.config import LabelConfig

_UPLOAD = re.compile(r"(?:.*/)?upload/\d+/[0-9a-f]{8}-(?P<name>[^/]+)")
"""Label Studio puts eight random digits before the name of an uploaded file."""


def original_name(task: Mapping[str, Any], config: LabelConfig) -> str:
    """The file name in a task's image address, without Label Studio's random prefix; "" where there is
    none."""
    try:
        found = address(task, config)
    except TaskImageError:
        return ""
    if found.startswith("data:"):
        return ""
    where = urlsplit(found)
    path = where.path
    if path.endswith("/data/local-files/"):
        path = (parse_qs(where.query).get("d") or [""])[0]
    path = unquote(path)
    uploaded = _UPLOAD.fullmatch(path)
    return uploaded["name"] if uploaded else PurePosixPath(path.replace("\\", "/")).name
