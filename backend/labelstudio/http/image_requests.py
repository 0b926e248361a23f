"""Images wherever they are, asked for with retries; the key goes to Label Studio only."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection

import httpx

from backend.errors import LabelStudioError, NoAnswerError
from backend.labelstudio.http.addresses import Addresses, Place
from backend.labelstudio.http.allowed_hosts import AllowedHosts
from backend.labelstudio.http.download import Download
from backend.labelstudio.http.key import Key
from backend.labelstudio.http.own_requests import CHECK_SECONDS, OwnRequests
from backend.labelstudio.http.refusals import is_page, require_success, unreachable
from backend.labelstudio.http.retries import is_overloaded, send_patiently
from backend.proxy import proxy_text
from backend.stopping import wait_for

ATTEMPTS = 2
"""Tries per image elsewhere: a storage that is away holds up all that follows."""
HOST_NAME_SECONDS = 600.0
"""How long the host name that Label Studio tells of itself is believed."""


class ImageRequests:
    """The images of one Label Studio's tasks. Safe to share between threads."""

    def __init__(
        self,
        url: str,
        own: OwnRequests,
        key: Key,
        *,
        timeout: httpx.Timeout,
        attempts: int,
        public_url: str | None,
        image_hosts: Collection[str] | None,
    ) -> None:
        """`public_url` is the address at which browsers reach the same server; `image_hosts` see
        `AllowedHosts`."""
        self._url, self._own, self._key, self._attempts = url, own, key, attempts
        self._addresses = Addresses(url, [public_url])
        self._downloads = Download(self._addresses, key, timeout, AllowedHosts(image_hosts))
        self._host_name_until = 0.0
        self._host_name_lock = threading.Lock()

    def close(self) -> None:
        """Close the connections."""
        self._downloads.close()

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
        away = paged or is_overloaded(response) or response.status_code == 404
        if own and away and not self._own.answers():
            raise unreachable(self._url, f"{response.status_code} {response.reason_phrase}")
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
        require_success(response, self._url, personal=self._key.personal)
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
        with self._host_name_lock:
            if time.monotonic() < self._host_name_until:
                return
            try:
                found = self._own.host_names()
            except httpx.HTTPError:  # asked again in a moment
                self._host_name_until = time.monotonic() + CHECK_SECONDS
                return
            self._host_name_until = time.monotonic() + HOST_NAME_SECONDS
            for each in found:
                self._addresses.add(each)

    def _hop(self, url: httpx.URL, keyed: bool, send: Callable[[], httpx.Response]) -> httpx.Response:
        """One server's answer on the way to an image, with retries."""
        attempts = self._attempts if keyed else min(self._attempts, ATTEMPTS)

        def is_busy(answer: httpx.Response) -> bool:
            # Not for 500, which is what Label Studio answers for the image of a deleted upload.
            return is_overloaded(answer) or (keyed and answer.is_success and is_page(answer))

        try:
            return send_patiently(
                send, attempts=attempts, repeatable=True, is_busy=is_busy, waited_for_once=True
            )
        except httpx.TransportError as error:
            what = f"{type(error).__name__}: {error}{proxy_text(str(url))}"
            if not keyed:
                server = url.netloc.decode("ascii")
                raise NoAnswerError(
                    f"{server} does not answer ({what}); start it, or check the address and the network.",
                    server=server,
                ) from error
            if not self._own.answers():
                raise unreachable(self._url, what) from error
            raise NoAnswerError(
                f"Label Studio does not deliver it ({what}), though it answers otherwise; check the storage"
                " that it is in."
            ) from error
