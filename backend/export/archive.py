"""The last export of a project: a zip file in the storage, for who asks on the status page."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from backend.project.context import Context

ABOUT = "about.json"


@dataclass(frozen=True)
class Archive:
    """What is known of a zip file without opening it."""

    file: str
    time: str  # ISO 8601, UTC
    bytes: int
    format: str
    summary: str  # how many masks, in words
    problems: list[str]  # what could not be exported, the first ones
    problem_count: int


SHOWN_PROBLEMS = 20


def read_archive(context: Context) -> Archive | None:
    """The last export; None before the first. Raises StorageError."""
    content = context.storage.read_json(f"{_folder(context)}/{ABOUT}", fresh=True)
    try:
        return Archive(**content) if content else None
    except TypeError:  # of a later release
        return None


def fetch_archive(context: Context) -> Path | None:
    """The zip file on this machine; None if there is none. Raises StorageError."""
    about = read_archive(context)
    if about is None:
        return None
    path = context.storage.get(f"{_folder(context)}/{about.file}")
    for other in path.parent.glob("*.zip"):
        # Of an export before, which this machine had fetched; a later one may be about to be told.
        if other.name < about.file:
            with suppress(OSError):
                other.unlink()
    return path if path.is_file() else None


def publish_archive(
    context: Context,
    folder: Path,
    mask_format: str,
    summary: str,
    problems: list[str],
    on_progress: Callable[[str, int, int], None],
) -> Archive:
    """Pack a folder in place of the last export; the zip file appears whole. Raises StorageError, OSError."""
    before = read_archive(context)
    time = datetime.now(UTC)
    name = f"masks-{context.project_id}-{time:%Y%m%d-%H%M%S}.zip"
    beside = folder.with_name(f".{name}")
    try:
        files = sorted(path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("."))
        # PNG and JPEG do not get smaller.
        with zipfile.ZipFile(beside, "w", zipfile.ZIP_STORED) as archive:
            for number, path in enumerate(files):
                on_progress("Packing", number, len(files))
                archive.write(path, f"{Path(name).stem}/{path.relative_to(folder).as_posix()}")
        about = Archive(
            name,
            time.isoformat(timespec="seconds"),
            beside.stat().st_size,
            mask_format,
            summary,
            problems[:SHOWN_PROBLEMS],
            len(problems),
        )
        context.storage.move_in(beside, f"{_folder(context)}/{name}")
    finally:
        beside.unlink(missing_ok=True)
    context.storage.write_json(f"{_folder(context)}/{ABOUT}", asdict(about))
    if before is not None and before.file != name:
        context.storage.remove(f"{_folder(context)}/{before.file}")
    return about


def _folder(context: Context) -> str:
    return f"{context.folder}/export"
