"""How the service's processes log:
one line a decision, as text or as JSON, and in each line what it belongs to.

The code that logs does not say for which project, round or job it works:
whoever starts the work binds that once, and every line that is logged meanwhile carries it, also those of
libraries. Threads start without it, unless they run in a copy of the context.
"""

from __future__ import annotations

import base64
import json
import logging
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from types import MappingProxyType, TracebackType
from urllib.parse import unquote, urlsplit

from backend.settings import Settings

FIELDS = ("project", "round", "version", "job", "request")
"""What a line can belong to, in the order of the text form."""
SHORTEST_SECRET = 6
"""Shorter passwords are not masked in the log: a single letter would be found in every word."""

_bound: ContextVar[Mapping[str, object]] = ContextVar("bound", default=MappingProxyType({}))
log = logging.getLogger(__name__)


@contextmanager
def bound(**fields: object) -> Iterator[None]:
    """Let every line that is logged inside carry these FIELDS, beside those bound outside."""
    token = _bound.set({**_bound.get(), **fields})
    try:
        yield
    finally:
        _bound.reset(token)


def bind(**fields: object) -> None:
    """Add fields until the `bound` around it ends, for what is learned only on the way."""
    _bound.set({**_bound.get(), **fields})


def fields() -> dict[str, object]:
    """What a line logged now would carry."""
    found = _bound.get()
    return {name: found[name] for name in FIELDS if found.get(name) not in (None, "")}


class Lines(logging.Formatter):
    """Records as lines, with the fields that are bound where they are logged, and without the settings'
    secrets."""

    def __init__(self, settings: Settings) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s%(belongs_to)s: %(message)s")
        self._as_json = settings.log_json
        self._secrets = secrets_of(settings)

    def format(self, record: logging.LogRecord) -> str:
        if self._as_json:
            return self._json(record)
        words = " ".join(f"{name}={value}" for name, value in fields().items())
        record.belongs_to = f" [{words}]" if words else ""
        return self._masked(super().format(record))

    def _json(self, record: logging.LogRecord) -> str:
        content: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": self._masked(record.getMessage()),
            "process": record.process,
        } | fields()
        if record.exc_info:
            content["traceback"] = self._masked(self.formatException(record.exc_info))
        return json.dumps(content, default=str)

    def _masked(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, "****")
        return text


def secrets_of(settings: Settings) -> list[str]:
    """Everything in the settings that must not be read in a log, in each form in which a message could hold
    it; the longest first."""
    found = [
        secret.get_secret_value()
        for secret in (settings.label_studio_api_key, settings.basic_auth_pass)
        if secret is not None
    ]
    if settings.basic_auth is not None:
        found.append(base64.b64encode(":".join(settings.basic_auth).encode()).decode())
    for url in (settings.redis_url, settings.storage_url):
        password = urlsplit(url).password if url else None
        found += [password, unquote(password)] if password else []
    return sorted({secret for secret in found if len(secret) >= SHORTEST_SECRET}, key=len, reverse=True)


def configure_logging(settings: Settings) -> None:
    """Send this process's log, warnings and fatal errors included, to standard error; safe to repeat."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(Lines(settings))
    logging.basicConfig(level=settings.log_level, handlers=[handler], force=True)
    logging.captureWarnings(True)
    sys.excepthook = _fatal
    threading.excepthook = lambda left: log.critical("a thread ended by an error", exc_info=left.exc_value)
    for quiet in ("httpx", "httpcore", "PIL", "label_studio_sdk", "fsspec", "urllib3"):
        logging.getLogger(quiet).setLevel(logging.WARNING)


def _fatal(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, Exception):
        log.critical("ended by an error", exc_info=(kind, error, trace))
    else:  # Ctrl-C
        sys.__excepthook__(kind, error, trace)
