"""The storage:
writable here and in the shared place, what is written comes back, and there is room for more."""

from __future__ import annotations

import shutil

from backend.errors import StorageError
from backend.finding import Finding, Severity
from backend.settings import Settings
from backend.store.storage import Storage

LITTLE = 5 << 30
"""Bytes: a model takes 10 to 130 MB, a round of a thousand images up to a GB."""
TOO_LITTLE = 500 << 20


def check(settings: Settings) -> list[Finding]:
    """Writes and removes one small file, and nothing else; makes no folder."""
    folder = settings.model_dir.resolve()
    if not folder.is_dir():
        text = f"MODEL_DIR {folder} does not exist: nothing has run with these settings yet"
        return [
            Finding("storage", Severity.ERROR, text, "export the right MODEL_DIR, or: python -m backend up")
        ]
    storage = Storage.of(settings)
    try:
        storage.check()
        found = [Finding("storage", Severity.OK, f"a file written to {storage} comes back")]
    except StorageError as error:
        remedy = (
            f"chmod u+rwx {folder}"
            if settings.storage_url is None
            else "export the right STORAGE_URL and its keys"
        )
        found = [Finding("storage", Severity.ERROR, str(error), remedy)]
    free = shutil.disk_usage(folder).free
    text = f"{free / (1 << 30):.1f} GiB free on the disk of {folder}"
    severity = Severity.ERROR if free < TOO_LITTLE else Severity.WARNING if free < LITTLE else Severity.OK
    return [
        *found,
        Finding(
            "disk",
            severity,
            text,
            "" if severity is Severity.OK else "free space, or export a MODEL_DIR on another disk",
        ),
    ]
