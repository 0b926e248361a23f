"""Repeating requests to a server that is away, overloaded, or hidden behind a proxy's page."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

import httpx
from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception,
    stop_after_attempt,
    wait_exponential,
    wait_random,
)

BUSY = {429, 502, 503, 504}
"""What a server, or a proxy before it, answers that is away or has too much to do."""
_IDEMPOTENT = {"GET", "PATCH", "PUT", "DELETE"}


def repeat(
    method: str, send: Callable[[], Any], *, attempts: int, again: Collection[int], waited_for_once: bool
) -> Any:
    """What `send` returns, a response or anything else; a response whose status is one of `again` only after
    the last attempt. Raises what `send` raises."""

    def worth_it(error: BaseException) -> bool:
        if isinstance(error, _BusyError):
            return error.response.status_code in BUSY or method in _IDEMPOTENT
        if waited_for_once and isinstance(error, httpx.ReadTimeout):
            return False
        return isinstance(error, httpx.TransportError) and (
            method in _IDEMPOTENT or isinstance(error, httpx.ConnectError | httpx.ConnectTimeout)
        )

    def last(state: RetryCallState) -> Any:
        assert state.outcome is not None
        error = state.outcome.exception()
        if isinstance(error, _BusyError):
            return error.response
        raise error if error is not None else AssertionError

    retrying = Retrying(
        stop=stop_after_attempt(attempts),
        wait=wait_exponential(multiplier=0.5, max=4.0) + wait_random(0, 0.2),
        retry=retry_if_exception(worth_it),
        retry_error_callback=last,
    )
    try:
        return retrying(lambda: _raise_if_busy(send(), again))
    except _BusyError as error:
        return error.response


class _BusyError(Exception):
    def __init__(self, response: httpx.Response) -> None:
        super().__init__(response.status_code)
        self.response = response


def _raise_if_busy(answer: Any, again: Collection[int]) -> Any:
    # 500 is also what Label Studio on SQLite answers while another process writes ("database is locked").
    if isinstance(answer, httpx.Response) and answer.status_code in again:
        raise _BusyError(answer)
    return answer


def refuse_pages(send: Callable[[], httpx.Response]) -> httpx.Response:
    """What `send` returns; a page with status 200 counts as 502."""
    answer = send()
    if answer.is_success and is_page(answer):
        raise _BusyError(answer)
    return answer


def is_page(response: httpx.Response) -> bool:
    """Whether this is a page for people:
    what proxies answer, with status 200, while the server behind them is away."""
    return response.headers.get("content-type", "").startswith("text/html")
