"""Short names for "the same thing": what was computed is used again only when what it was computed from has not changed."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any


def digest(*parts: Any) -> str:
    """16 hexadecimal digits of JSON values and bytes, in their order."""
    total = hashlib.sha256()
    for part in parts:
        total.update(part if isinstance(part, bytes) else json.dumps(part, sort_keys=True).encode())
        total.update(b"\0")
    return total.hexdigest()[:16]


def digest_of_files(*folders: Path) -> str:
    """Digest of the names and sizes of the files in folders; their place on the machine does not count."""
    return digest([sorted((path.name, path.stat().st_size) for path in folder.iterdir() if path.is_file()) for folder in folders])
