"""Connections to Label Studio with the key: the SDK's requests, and those of our own that need it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx

from backend.errors import LabelStudioError
from backend.labelstudio.http.addresses import Addresses
from backend.labelstudio.http.key import Key
from backend.labelstudio.http.probe import is_loopback, require_final
from backend.labelstudio.http.refusals import is_of_another, no_json, require_success, unreachable
from backend.labelstudio.http.retries import is_overloaded, send_patiently
from backend.proxy import known_authorities, named_proxies

CONNECT_SECONDS = 5.0
"""For a connection; the time-out of a request is that for its answer."""
_IDEMPOTENT = {"GET", "PATCH", "PUT", "DELETE"}
_EXCHANGE = "/api/token/refresh/"
"""The one POST that changes nothing: a personal access token for an access token."""


def ask(
    send: Callable[[], httpx.Response], url: str, *, attempts: int, repeatable: bool, personal: bool = False
) -> httpx.Response:
    """The answer of the Label Studio at `url`, which is a success, after up to `attempts` tries.
    Raises LabelStudioError and its kinds."""

    def is_busy(answer: httpx.Response) -> bool:
        # 500 is also what Label Studio on SQLite answers while another process writes ("database is locked").
        failed = answer.status_code == 500 or is_of_another(answer)
        return is_overloaded(answer) or (repeatable and failed)

    try:
        answer = send_patiently(send, attempts=attempts, repeatable=repeatable, is_busy=is_busy)
    except httpx.TransportError as error:
        raise unreachable(url, error) from error
    if is_of_another(answer):
        request = answer.request
        what = f"{request.method} {request.url.copy_with(query=None)}"
        raise no_json(what, answer.text[:80], page=True)
    require_success(answer, url, personal=personal)
    return answer


class KeyedClient(httpx.Client):
    """The client that the SDK is given, so that its requests are repeated, bounded and refused like ours.

    What Label Studio refuses is raised here, where method and address are known; the SDK's errors tell
    neither. Safe to share between threads.
    """

    def __init__(
        self, url: str, api_key: str, *, timeout: httpx.Timeout, attempts: int, plain: httpx.Client
    ) -> None:
        """`plain` has no key, and is asked first whether the key may be sent."""
        with named_proxies():
            super().__init__(
                base_url=url,
                verify=known_authorities(),
                timeout=timeout,
                limits=httpx.Limits(keepalive_expiry=4.0),
            )
        self.key = Key(api_key, self._exchange, self.require_final)
        self._server, self._tries, self._plain = url, attempts, plain
        self._addresses = Addresses(url)
        # On this machine's loopback nobody listens to a key; commands that a person runs ask there, too.
        self._is_final = url.lower().startswith("https:") or is_loopback(httpx.URL(url).host)

    def require_final(self) -> None:
        """Raise RedirectedError, before the key is sent for the first time, where plain http leads
        elsewhere."""
        if not self._is_final:
            require_final(self._plain, self._server)
            self._is_final = True

    def send(self, request: httpx.Request, **options: Any) -> httpx.Response:
        """The answer, which is a success. Raises LabelStudioError and its kinds."""
        if not self._addresses.may_see_the_key(request.url):
            raise LabelStudioError(f"{request.url} is not below {self._server}, where the key is sent alone.")
        if "Authorization" in request.headers:  # of the SDK
            options["auth"] = self.key
        request.extensions["timeout"]["connect"] = CONNECT_SECONDS

        def send() -> httpx.Response:
            self.require_final()  # the SDK sends a personal access token in the body
            return httpx.Client.send(self, request, **options)

        return ask(
            send,
            self._server,
            attempts=self._tries,
            repeatable=request.method in _IDEMPOTENT or request.url.path.endswith(_EXCHANGE),
            personal=self.key.personal,
        )

    def _exchange(self, key: str) -> str:
        answer = self.post(_EXCHANGE, json={"refresh": key})
        try:
            return str(answer.json()["access"])
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise LabelStudioError(
                f"{self._server} answered a personal access token with something else than an access token;"
                " check that LABEL_STUDIO_URL is a Label Studio."
            ) from error
