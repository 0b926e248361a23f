"""The command that turns one machine's folder into the storage of several."""

from __future__ import annotations

from backend.cli.shell import console, handle_errors
from backend.errors import SettingsError
from backend.settings import read_settings
from backend.store.storage import Storage


def share() -> None:
    """Give what MODEL_DIR holds to STORAGE_URL: once, when a machine that worked alone is joined by others.
    Safe to repeat.

    Example: STORAGE_URL=s3://bucket/folder python -m backend share
    """
    with handle_errors():
        settings = read_settings()
        if settings.storage_url is None:
            raise SettingsError(
                "STORAGE_URL is not set; set it to the storage that the machines share, such as s3://bucket/folder."
            )
        storage = Storage.of(settings)
        console.print(
            f"{storage.put_missing('projects')} files given to {storage}; all others were there.",
            highlight=False,
        )
