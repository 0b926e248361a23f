"""HTTP to Label Studio: authentication with both kinds of key, retries, and errors that say what to do."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Callable, Collection, Mapping
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import httpx
from label_studio_sdk.base_client import LabelStudioBase as SDK
from label_studio_sdk.core.api_error import ApiError

from backend.errors import ApiKeyError, LabelStudioError, NoAnswerError, UnreachableError
from backend.labelstudio.http.addresses import Addresses, Place
from backend.labelstudio.http.allowed_hosts import AllowedHosts
from backend.labelstudio.http.download import Download
from backend.labelstudio.http.probe import redirection, require_final
from backend.labelstudio.http.retries import BUSY, is_page, refuse_pages, repeat
from backend.labelstudio.http.sdk_auth import SdkAuth
from backend.proxy import open_client, proxy_text
from backend.stopping import wait_for

TIMEOUT = 60.0
"""Seconds to wait for an answer."""
BULK_TIMEOUT = 600.0
"""Seconds to wait for bulk imports and deletions: on two busy cores 10,000 predictions take a minute each."""
ATTEMPTS = 4
"""Tries per request while the server is away or overloaded, over about 4 seconds."""
IMAGE_ATTEMPTS = 2
"""Tries per image elsewhere: a storage that is away holds up all that follows."""
CHECK_SECONDS = 5.0
"""Label Studio tells within so many seconds whether it is there, when an image did not come."""
HOST_NAME_SECONDS = 600.0
"""How long the host name that Label Studio tells of itself is believed."""
KEY_PAGE = "Account & Settings, Access Token (or Personal Access Token)"


class Transport:
    """Requests to one server with one API key. Safe to share between threads."""

    def __init__(
        self,
        url: str,
        api_key: str,
        *,
        timeout: float = TIMEOUT,
        attempts: int = ATTEMPTS,
        public_url: str | None = None,
        image_hosts: Collection[str] | None = None,
    ) -> None:
        """Check the form of address and key; makes no request. Raises LabelStudioError, ApiKeyError.

        `public_url` is the address at which browsers reach the same server; `image_hosts` see `AllowedHosts`.
        """
        self.url = url.strip().rstrip("/")
        parts = urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.netloc:
            raise LabelStudioError(
                f"LABEL_STUDIO_URL is {url!r}, expected an address such as http://localhost:8080."
            )
        if not api_key or not api_key.strip() or not api_key.strip().isascii():
            found = "empty" if not api_key.strip() else "not a key"
            raise ApiKeyError(
                f"LABEL_STUDIO_API_KEY is {found}, expected a key of {self.url}; copy it from {KEY_PAGE}."
            )
        self._attempts = attempts
        self._personal = api_key.count(".") == 2  # a JSON web token; legacy keys are 40 hexadecimal digits
        self._timeout = httpx.Timeout(timeout, connect=5.0)
        self._http = open_client(timeout=self._timeout, limits=httpx.Limits(keepalive_expiry=4.0))
        try:
            # With the slash:
            # the SDK exchanges a personal token beside the last part of the address, which would be another
            # application.
            self._sdk = SDK(base_url=f"{self.url}/", api_key=api_key.strip(), httpx_client=self._http)
        except ApiError as error:  # a personal access token that has expired
            raise self._key_error(error.body) from error
        self._auth = SdkAuth(self._sdk, self._http, self.url)
        self._addresses = Addresses(self.url, [public_url])
        self._downloads = Download(self._addresses, self._auth, self._timeout, AllowedHosts(image_hosts))
        self._host_name_until = 0.0
        self._host_name_lock = threading.Lock()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()
        self._downloads.close()

    def access_token(self) -> str:
        """The legacy token itself, or an access token (valid 300 s) that the personal one has been exchanged
        for."""
        return self._guarded("GET", lambda: self._auth.header().split(" ", 1)[1])

    def require_final(self) -> None:
        """Raise RedirectedError where the address leads elsewhere; sends no key."""
        self._guarded("GET", lambda: require_final(self._http, self.url))

    def json(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        body: Any = None,
        missing_ok: bool = False,
        auth: bool = True,
        timeout: float | None = None,
    ) -> Any:
        """The decoded answer, None for an empty one, and for 404 with `missing_ok`.
        Raises LabelStudioError and its kinds."""
        content = None if body is None else json.dumps(body, separators=(",", ":")).encode()
        headers = {"Content-Type": "application/json"} if content is not None else {}

        def send() -> httpx.Response:
            answer = self._http.request(
                method,
                self.url + path,
                params=query,
                content=content,
                headers=headers,
                auth=self._auth if auth else None,
                timeout=self._timeout if timeout is None else httpx.Timeout(timeout, connect=5.0),
            )
            return answer

        response = self._guarded(method, partial(refuse_pages, send))
        if response.status_code == 404 and missing_ok:
            return None
        self._check(response)
        if not response.content:
            return None
        try:
            return response.json()
        except (ValueError, RecursionError) as error:
            start = response.text[:80]
            raise LabelStudioError(
                f"{method} {self.url}{path} answered {start!r}, expected JSON; a proxy may have answered for"
                " a Label Studio that is away; if this stays, check that LABEL_STUDIO_URL is a Label"
                " Studio.",
                status=502 if is_page(response) else None,
            ) from error

    def download(self, address: str) -> bytes:
        """The bytes at a path of this server, or at a web address; the key goes to this server only.

        Raises UnreachableError and ApiKeyError when nothing can be had of Label Studio at all, NoAnswerError
        and LabelStudioError for this address alone.
        """
        return wait_for(lambda: self._download(address))

    def _download(self, address: str) -> bytes:
        place = self._place(address)
        response, own = self._downloads.get(place, self._hop)
        if response.status_code == 404 and place.otherwise is not None:
            response, own = self._downloads.get(Place(place.otherwise, keyed=False), self._hop)
        paged = own and response.is_success and is_page(response)
        if own and (paged or response.status_code in BUSY) and not self._answers():
            raise self._unreachable(f"{response.status_code} {response.reason_phrase}")
        if paged:
            raise NoAnswerError(
                "Label Studio answers with a page where the image should be; try again later."
            )
        if not own and response.status_code == 401:  # not about our key, which that server never sees
            host = response.request.url.host
            raise LabelStudioError(
                f"{host} answered 401 (a password is needed there), expected an image that can be read.",
                status=401,
            )
        if not response.is_success and not (own and response.status_code == 401):
            # Without the text of the answer: it would reach log and page, whatever it is.
            server = response.request.url.netloc.decode("ascii")
            raise LabelStudioError(
                f"{server} answered {response.status_code}, expected an image.", status=response.status_code
            )
        self._check(response)
        return response.content

    def seems_own(self, address: str) -> bool:
        """Whether a web address that is asked for elsewhere looks like one of Label Studio's, under a name
        that is not known here."""
        return "://" in address and self._addresses.seems_own(address) and not self._place(address).keyed

    def _place(self, address: str) -> Place:
        place = self._addresses.find(address)
        if not place.keyed:  # Label Studio may tell of itself that it is meant
            self._learn_host_name()
            place = self._addresses.find(address)
        return place

    def _learn_host_name(self) -> None:
        """Read LABEL_STUDIO_HOST out of the links of the log-in page, which needs no key;
        there is no other way to it without a person."""
        with self._host_name_lock:
            if time.monotonic() < self._host_name_until:
                return
            try:
                page = self._http.get(f"{self.url}/user/login/", timeout=CHECK_SECONDS)
            except httpx.HTTPError:  # busy, or away: asked again in a moment
                self._host_name_until = time.monotonic() + CHECK_SECONDS
                return
            self._host_name_until = time.monotonic() + HOST_NAME_SECONDS
            for found in re.findall(
                r"""["'](https?://[^"'\s<>]+?)/static/""", page.text if page.is_success else ""
            ):
                self._addresses.add(found)

    def _hop(self, url: httpx.URL, keyed: bool, send: Callable[[], httpx.Response]) -> httpx.Response:
        """One server's answer on the way to an image, with retries."""
        attempts = self._attempts if keyed else min(self._attempts, IMAGE_ATTEMPTS)
        try:  # 500 is what Label Studio answers for the image of a deleted upload
            answer: httpx.Response = self._retried(
                "GET",
                partial(refuse_pages, send) if keyed else send,
                again=BUSY,
                attempts=attempts,
                waited_for_once=True,
            )
            return answer
        except httpx.TransportError as error:
            what = f"{type(error).__name__}: {error}{proxy_text(str(url))}"
            if not keyed:
                server = url.netloc.decode("ascii")
                raise NoAnswerError(
                    f"{server} does not answer ({what}); start it, or check the address and the network.",
                    server=server,
                ) from error
            if not self._answers():
                raise self._unreachable(what) from error
            raise NoAnswerError(
                f"Label Studio does not deliver it ({what}), though it answers otherwise; check the storage"
                " that it is in."
            ) from error

    def _answers(self) -> bool:
        """Whether Label Studio is there, when an image did not come."""
        try:
            answer = self._http.get(f"{self.url}/api/version", timeout=CHECK_SECONDS)
            return answer.status_code < 500 and not is_page(answer)
        except httpx.HTTPError:
            return False

    def _unreachable(self, what: str) -> UnreachableError:
        return UnreachableError(
            f"Label Studio at {self.url} does not answer ({what}); "
            "start it, or correct LABEL_STUDIO_URL (inside a container, localhost is the container itself)."
        )

    def _guarded(self, method: str, send: Any) -> Any:
        """Call with retries. Raises UnreachableError when nothing comes."""
        try:
            return wait_for(lambda: self._retried(method, send))
        except httpx.TransportError as error:
            raise self._unreachable(f"{type(error).__name__}: {error}{proxy_text(self.url)}") from error

    def _retried(
        self,
        method: str,
        send: Any,
        *,
        again: Collection[int] = (*BUSY, 500),
        attempts: int | None = None,
        waited_for_once: bool = False,
    ) -> Any:
        """Call with retries:
        what never arrived always, what may have arrived only where repeating it changes nothing.

        With `waited_for_once`, a server that took the request and sends nothing is not asked again.
        Raises httpx.TransportError.
        """
        try:
            return repeat(
                method,
                send,
                attempts=attempts or self._attempts,
                again=again,
                waited_for_once=waited_for_once,
            )
        except ApiError as error:  # from the exchange of a personal access token
            raise self._key_error(error.body) from error
        except httpx.TransportError:
            raise
        except (httpx.RequestError, httpx.InvalidURL) as error:
            raise LabelStudioError(
                f"the address or the answer there cannot be read ({type(error).__name__}: {error})."
            ) from error
        except ValueError as error:  # the exchange of a token answered no JSON
            raise LabelStudioError(
                f"{self.url} answered no JSON; check that LABEL_STUDIO_URL is a Label Studio."
            ) from error

    def _check(self, response: httpx.Response) -> None:
        if response.is_success:
            return
        code, request = response.status_code, response.request
        detail = _detail(response)
        if code == 401:
            raise self._key_error(detail)
        where = f"{request.method} {request.url.copy_with(query=None)}"
        if (elsewhere := redirection(self.url, response)) is not None:
            raise elsewhere
        raise LabelStudioError(f"{where} answered {code}: {detail}", status=code)

    def _key_error(self, body: Any) -> ApiKeyError:
        detail = body.get("detail", body) if isinstance(body, dict) else body
        text = str(detail)[:300]
        if "legacy" in text.lower():
            remedy = (
                "use a personal access token instead, or enable legacy tokens under Organization, API Tokens"
                " Settings"
            )
        elif (
            self._personal and "not provided" in text.lower()
        ):  # what Label Studio answers to a kind of token that is switched off
            text += " This key is a personal access token"
            remedy = (
                "use the legacy token instead, or enable personal access tokens under Organization, API"
                " Tokens Settings"
            )
        else:
            remedy = f"copy the key again from {KEY_PAGE}; it must belong to {self.url}"
        return ApiKeyError(
            f"Label Studio at {self.url} does not accept LABEL_STUDIO_API_KEY ({text}); {remedy}.", status=401
        )


def _detail(response: httpx.Response) -> str:
    """What the server says went wrong, without its traceback."""
    try:
        body = response.json()
    except (ValueError, RecursionError):
        return response.text[:200] or response.reason_phrase
    if not isinstance(body, dict):
        return str(body)[:1000]
    errors = body.get("validation_errors")
    return str(errors or body.get("detail") or body)[:1000]
