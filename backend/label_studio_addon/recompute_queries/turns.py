"""On SQLite, requests for the next task are answered in turn:
Label Studio looks for a free task and locks it in two steps there, without a transaction, so that two
annotators who press at the same moment would get the same one."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

SECONDS = 30.0
"""The longest wait; then a request goes on by itself:
one that asks a slow backend for a mask must not keep all others."""
_turn = threading.Lock()  # Label Studio's own server is one process with a thread for each request


class InTurn:
    """Middleware that lets one request for the next task pass at a time, and all others as they come."""

    def __init__(self, get_response: Callable[[Any], Any]) -> None:
        self._get_response = get_response

    def __call__(self, request: Any) -> Any:
        """Answer a request."""
        if not asks_for_a_task(request):
            return self._get_response(request)
        taken = _turn.acquire(timeout=SECONDS)
        try:
            return self._get_response(request)
        finally:
            if taken:
                _turn.release()


def asks_for_a_task(request: Any) -> bool:
    """Whether the answer locks a task:
    "Label All Tasks" and what follows a submit, and the older address of the same."""
    path = request.path.rstrip("/")
    if path.endswith("/api/dm/actions"):
        return bool(request.GET.get("id") == "next_task")
    return "/api/projects/" in path and path.endswith("/next")
