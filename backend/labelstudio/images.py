"""The image of a task, wherever Label Studio keeps it."""

from __future__ import annotations

import base64
import binascii
import hashlib
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from backend.errors import ApiKeyError, LabelStudioError, TaskImageError, UnreachableError
from backend.labelstudio.client import LabelStudio
from backend.labelstudio.config import LabelConfig
from model.files import write_atomically

MAX_AGE = 24 * 3600.0
"""Seconds a downloaded image is used without asking again, in case the file behind an address is replaced."""
_CLOUD = ("s3", "gs", "azure-blob")
_UNDEFINED = "$undefined$"  # the key that Label Studio uses for files uploaded before the project had a configuration


def address(task: dict[str, Any], config: LabelConfig) -> str:
    """Where a task's data says its image is. Raises TaskImageError if the data does not hold one."""
    data = task.get("data")
    value = data.get(config.image_key, data.get(_UNDEFINED)) if isinstance(data, dict) else None
    if not isinstance(value, str) or not value.strip():
        held = ", ".join(sorted(data)) if isinstance(data, dict) else type(data).__name__
        raise TaskImageError(
            f"task {task.get('id')}: its data has no image address under {config.image_key!r} (found: {held or 'nothing'}); "
            "correct the task's data, or the value of the Image tag in the labelling configuration."
        )
    value = value.strip()
    try:
        if not value.startswith("data:"):  # urlsplit keeps what it is given, which may be megabytes here
            urlsplit(value)
    except ValueError as error:
        raise TaskImageError(
            f"task {task.get('id')}: its image {value[:200]!r} is no address ({error}); correct the task's data."
        ) from error
    return value


def fetch(client: LabelStudio, task: dict[str, Any], config: LabelConfig, cache_dir: Path, *, max_age: float = MAX_AGE) -> bytes:
    """The encoded bytes of a task's image: an upload, a local file, a web address, or cloud storage that the project is connected to.

    Kept in `cache_dir` by its address for `max_age` seconds, so that a second call needs no network. `task` needs "id" and "data".
    Raises TaskImageError naming the task when the image is gone, is no address, or may not be read; UnreachableError and ApiKeyError
    when no image could be fetched at all.
    """
    where = address(task, config)
    if where.startswith("data:"):
        return _inline(where, task)
    cached = cache_dir / hashlib.sha256(f"{client.url} {where}".encode()).hexdigest()
    try:
        if time.time() - cached.stat().st_mtime < max_age:
            return cached.read_bytes()
    except OSError:
        pass
    content = _download(client, task, where)
    with write_atomically(cached) as file:
        file.write(content)
    return content


def _download(client: LabelStudio, task: dict[str, Any], where: str) -> bytes:
    scheme = urlsplit(where).scheme
    path = where
    if scheme in _CLOUD:
        path = f"/tasks/{task.get('id')}/presign/?fileuri={base64.urlsafe_b64encode(where.encode()).decode()}"
    elif where.startswith("upload/"):
        path = f"/data/{where}"
    elif scheme not in ("http", "https") and not where.startswith("/"):
        raise TaskImageError(
            f"task {task.get('id')}: its image {where[:200]!r} is no address, expected http(s)://, /data/..., or "
            f"{', '.join(f'{name}://' for name in _CLOUD)}; correct the task's data."
        )
    try:
        content = client.download(path)
    except ApiKeyError:
        raise
    except UnreachableError as error:
        if path is where and scheme and urlsplit(where)[:2] != urlsplit(client.url)[:2]:
            raise TaskImageError(f"task {task.get('id')}: the server of its image {where} does not answer; check the address.") from error
        raise
    except LabelStudioError as error:
        raise TaskImageError(f"task {task.get('id')}: its image {where[:200]} cannot be fetched: {_reason(error, path)}") from error
    if not content:
        raise TaskImageError(f"task {task.get('id')}: its image {where[:200]} is an empty file; upload it again.")
    return content


def _reason(error: LabelStudioError, path: str) -> str:
    if error.status == 404 and path.startswith("/data/local-files"):
        return (
            "Label Studio has no such local file, or no Local files storage that covers its folder; check that the file exists and that "
            "the project has one under Settings, Cloud Storage (no sync needed)."
        )
    # An upload whose record is deleted is answered by 500 ('NoneType' object has no attribute 'has_permission').
    if error.status in (404, 410) or (error.status == 500 and path.startswith("/data/upload/")):
        return "it is gone; restore the file, or delete the task."
    if error.status == 403:
        return "it may not be read (403); check the storage's permissions."
    return str(error)


def _inline(where: str, task: dict[str, Any]) -> bytes:
    head, _, body = where.partition(",")
    try:
        if not head.endswith(";base64"):
            raise ValueError("expected base64")
        return base64.b64decode(body, validate=True)
    except (ValueError, binascii.Error) as error:
        raise TaskImageError(
            f"task {task.get('id')}: its image is written into the data, but not readable ({error}); upload it."
        ) from error
