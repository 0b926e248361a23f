"""A request that is made again while its server is away or overloaded, where repeating it changes nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import httpx
from tenacity import (
    Retrying,
    retry_if_exception,
    retry_if_result,
    stop_after_attempt,
    wait_exponential,
    wait_random,
)

from backend.errors import LabelStudioError

REFUSED = frozenset({429, 502, 503, 504})
"""Statuses of a server that has not begun with the request, or is not there."""

_NOT_ARRIVED = (httpx.ConnectError, httpx.ConnectTimeout)

Answer = TypeVar("Answer")


def is_overloaded(answer: httpx.Response) -> bool:
    """Whether an answer tells of a server that is away or has too much to do."""
    return answer.status_code in REFUSED


def send_patiently(
    send: Callable[[], Answer],
    *,
    attempts: int,
    repeatable: bool,
    is_busy: Callable[[Answer], bool],
    waited_for_once: bool = False,
) -> Answer:
    """The answer to `send`, or the last one of a server that stays busy, after up to `attempts` tries.

    What never arrived is always sent again; what may have arrived only if it is `repeatable`.
    With `waited_for_once`, a server that took the request and sends nothing is not asked again.
    Raises httpx.TransportError of the last try, and LabelStudioError for what cannot be read.
    """

    def failed(error: BaseException) -> bool:
        if waited_for_once and isinstance(error, httpx.ReadTimeout):
            return False
        return isinstance(error, httpx.TransportError) and (repeatable or isinstance(error, _NOT_ARRIVED))

    retrying = Retrying(
        stop=stop_after_attempt(attempts),
        wait=wait_exponential(multiplier=0.5, max=4.0) + wait_random(0, 0.2),
        retry=retry_if_exception(failed) | retry_if_result(is_busy),
        retry_error_callback=lambda last: last.outcome and last.outcome.result(),
    )
    try:
        return retrying(send)
    except httpx.TransportError:
        raise
    except (httpx.RequestError, httpx.InvalidURL) as error:
        raise LabelStudioError(
            f"the address or the answer there cannot be read ({type(error).__name__}: {error})."
        ) from error
