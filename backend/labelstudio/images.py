"""The image of a task, wherever Label Studio keeps it."""

from __future__ import annotations

import base64
import binascii
import logging
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from rq.timeouts import BaseTimeoutException

from backend.errors import (
    ApiKeyError,
    BackendError,
    LabelStudioError,
    NoAnswerError,
    TaskImageError,
    UnreachableError,
)
from backend.labelstudio.client import LabelStudio
from backend.labelstudio.http.addresses import OWN_PATH, strip_secrets
from backend.labelstudio.image_cache import MAX_AGE, ImageCache
from backend.labelstudio.labels.config import LabelConfig
from backend.labelstudio.room import Guard, in_room
from model.data.images.header import MAX_PIXELS, decoding_pixels, encoded_size
from model.errors import ModelError

log = logging.getLogger(__name__)

_CLOUD = ("s3", "gs", "azure-blob")
_UNDEFINED = (  # the key that Label Studio uses for files uploaded before the project had a configuration
    "$undefined$"
)


def address(task: Mapping[str, Any], config: LabelConfig) -> str:
    """Where a task's data says its image is. Raises TaskImageError if the data does not hold one."""
    data = task.get("data")
    value = data.get(config.image_key, data.get(_UNDEFINED)) if isinstance(data, dict) else None
    if not isinstance(value, str) or not value.strip():
        held = ", ".join(sorted(data)) if isinstance(data, dict) else type(data).__name__
        if value is not None:
            held = f"{strip_secrets(str(value))[:40]!r} there"
        raise TaskImageError(
            f"task {task.get('id')}: its data has no image address under {config.image_key!r} (found:"
            f" {held or 'nothing'}); correct the task's data, or the value of the Image tag in the labelling"
            " configuration."
        )
    value = value.strip()
    try:
        if not value.startswith("data:"):  # urlsplit keeps what it is given, which may be megabytes here
            urlsplit(value)
    except ValueError:  # whose text may hold the password
        raise TaskImageError(
            f"task {task.get('id')}: its image {strip_secrets(value)!r} is no address; correct the task's"
            " data."
        ) from None
    return value


MOST_DRIPPING = 3
"""Addresses of one server that gave nothing, after which no further one of it is asked:
each may have taken minutes."""


class Failures:
    """What did not come within one job: a server that is away, or an address that drips, is waited for once.
    For several threads."""

    def __init__(self) -> None:
        self._servers: dict[str, NoAnswerError] = {}
        self._addresses: dict[str, NoAnswerError] = {}
        self._times: Counter[str] = Counter()

    def note(self, address: str, error: NoAnswerError) -> None:
        """Remember that an address gave nothing, and its whole server or bucket if that does not answer."""
        self._addresses[address] = error
        parts = urlsplit(address)
        if not parts.netloc:
            return
        self._times[parts.netloc] += 1
        if error.server or parts.scheme in _CLOUD or self._times[parts.netloc] >= MOST_DRIPPING:
            self._servers[parts.netloc] = error

    def of(self, address: str) -> NoAnswerError | None:
        """Why an address is not asked again; None if it may be."""
        return self._addresses.get(address) or self._servers.get(urlsplit(address).netloc)


def fetch(
    client: LabelStudio,
    task: Mapping[str, Any],
    config: LabelConfig,
    cache_dir: Path,
    *,
    max_age: float = MAX_AGE,
    failures: Failures | None = None,
    guard: Guard = in_room,
) -> bytes:
    """The encoded bytes of a task's image:
    an upload, a local file, a web address, or cloud storage that the project is connected to.

    Kept in `cache_dir` by its address for `max_age` seconds if it can be decoded, so that a second call needs
    no network. `task` needs "id" and "data"; what is in `failures` is not asked again;
    it is decoded within `guard`.
    Raises TaskImageError naming the task when the image is gone, is no address, may not be read or does not
    come; UnreachableError and ApiKeyError when no image could be fetched at all.
    """
    where = address(task, config)
    if where.startswith("data:"):
        return _inline(where, task)
    cache = ImageCache(cache_dir, client.url, max_age=max_age)
    content = cache.get(where)
    if content is None:
        failures = failures or Failures()
        if before := failures.of(where):
            raise _not_coming(task, where, before)
        content = _download(client, task, where, failures)
        cache.put(where, content, guard)
    return content


def require_size(content: bytes, task_id: int | str, most: int) -> None:
    """Look at the header before anything is decoded.
    Raises TaskImageError for more than `most` pixels, ImageError for no image."""
    counted = decoding_pixels(content, f"task {task_id}")
    if counted > most:
        height, width = encoded_size(content, f"task {task_id}")
        kind = (
            ""
            if height * width > most
            else f", which take as much memory as {counted / 1e6:.0f} million of 8-bit colour,"
        )
        setting = (
            ", or set MAX_MEGAPIXELS higher where there is memory for it" if counted <= MAX_PIXELS else ""
        )
        raise TaskImageError(
            f"task {task_id}: its image of {width} x {height} pixels{kind} is larger than is worked on here,"
            f" expected at most {most / 1e6:.0f} million pixels (MAX_MEGAPIXELS); cut it into tiles or export"
            f" it smaller{setting}.",
            lasting=True,
        )


@contextmanager
def one_image(task_id: int | str) -> Iterator[None]:
    """Whatever goes wrong within is this task's image's fault, and names it, so that the others go on.
    Raises TaskImageError.

    Errors of ours pass: they say what they are about.
    """
    try:
        yield
    except (BackendError, ModelError, BaseTimeoutException):  # the last is about the whole job
        raise
    except Exception as error:
        if (
            isinstance(error, MemoryError) or "memory" in str(error).lower()
        ):  # torch raises RuntimeError: "... can't allocate memory"
            raise TaskImageError(
                f"task {task_id}: there is not enough memory to work on its image; cut it into tiles or"
                " export it smaller, or give this machine more memory.",
                lasting=True,
            ) from error
        log.exception("task %s: its image or mask cannot be worked on", task_id)
        raise TaskImageError(
            f"task {task_id}: its image or mask cannot be worked on ({type(error).__name__}: {error}); export"
            " the image again."
        ) from error


def _download(client: LabelStudio, task: Mapping[str, Any], where: str, failures: Failures) -> bytes:
    scheme = urlsplit(where).scheme
    path = where
    if scheme in _CLOUD:
        path = f"/tasks/{task.get('id')}/presign/?fileuri={base64.urlsafe_b64encode(where.encode()).decode()}"
    elif where.startswith("upload/"):
        path = f"/data/{where}"
    elif scheme not in ("http", "https") and not where.startswith("/"):
        raise TaskImageError(
            f"task {task.get('id')}: its image {strip_secrets(where)!r} is no address, expected http(s)://,"
            f" /data/..., or {', '.join(f'{name}://' for name in _CLOUD)}; correct the task's data."
        )
    try:
        content = client.download(path)
    except (ApiKeyError, UnreachableError):
        raise
    except NoAnswerError as error:
        failures.note(where, error)
        raise _not_coming(task, where, error, _other_name(client, path)) from error
    except LabelStudioError as error:
        raise _not_fetched(task, where, _reason(error, path), _other_name(client, path)) from error
    if not content:
        raise TaskImageError(
            f"task {task.get('id')}: its image {strip_secrets(where)} is an empty file; upload it again."
        )
    if _is_page(content):
        why = "a web page comes in its place, perhaps to log in; check the address."
        raise _not_fetched(task, where, why, _other_name(client, path))
    return content


def _not_coming(
    task: Mapping[str, Any], where: str, error: NoAnswerError, other_name: str = ""
) -> TaskImageError:
    if not error.server:
        return _not_fetched(task, where, str(error), other_name)
    remedy = (
        f"start the server at {error.server}, or correct its address in Label Studio: Settings, Cloud Storage"
    )
    text = f"the server of its image {strip_secrets(where)} does not answer: {error}"
    return _explained(f"task {task.get('id')}: {text}", other_name, remedy)


def _not_fetched(task: Mapping[str, Any], where: str, why: str, other_name: str = "") -> TaskImageError:
    return _explained(
        f"task {task.get('id')}: its image {strip_secrets(where)} cannot be fetched: {why}", other_name
    )


def _explained(text: str, other_name: str, remedy: str = "") -> TaskImageError:
    """The error, and what to do where the image may be Label Studio's own, under a name of it that nothing
    tells any more."""
    if not other_name:
        return TaskImageError(text, remedy=remedy)
    return TaskImageError(
        f"{text} If {other_name} is a name of your Label Studio, set LABEL_STUDIO_PUBLIC_URL to it.",
        remedy=(
            f"export LABEL_STUDIO_PUBLIC_URL={other_name} if that is your Label Studio, and start `python -m"
            " backend up` again"
        ),
    )


def _other_name(client: LabelStudio, path: str) -> str:
    """The server of an address elsewhere that looks like one of Label Studio; "" for other addresses."""
    if not client.seems_own(path):
        return ""
    parts = urlsplit(path)
    own = OWN_PATH.search(parts.path)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path[: own.start()] if own else ''}"


def _is_page(content: bytes) -> bool:
    start = content[:200].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    return start.startswith((b"<!doctype html", b"<html"))


def _reason(error: LabelStudioError, path: str) -> str:
    if error.status == 404 and "/data/local-files" in path:
        return (
            "Label Studio has no such local file, or no Local files storage that covers its folder; check"
            " that the file exists and that the project has one under Settings, Cloud Storage (no sync"
            " needed)."
        )
    # An upload whose record is deleted is answered by 500 ('NoneType' object has no attribute
    # 'has_permission').
    if error.status in (404, 410) or (error.status == 500 and "/data/upload/" in path):
        return "it is gone; restore the file, or correct the task's data."
    if error.status == 403:
        return "it may not be read (403); check the storage's permissions."
    return str(error)


def _inline(where: str, task: Mapping[str, Any]) -> bytes:
    head, _, body = where.partition(",")
    try:
        if not head.endswith(";base64"):
            raise ValueError("expected base64")
        return base64.b64decode(body, validate=True)
    except (ValueError, binascii.Error) as error:
        raise TaskImageError(
            f"task {task.get('id')}: its image is written into the data, but not readable ({error});"
            " upload it."
        ) from error
