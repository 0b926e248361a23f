"""The header that Label Studio's SDK makes of either kind of key."""

from __future__ import annotations

from collections.abc import Generator

import httpx
from label_studio_sdk.base_client import LabelStudioBase as SDK  # the whole package loads pandas and boto3

from backend.labelstudio.http.probe import is_loopback, require_final


class SdkAuth(httpx.Auth):
    """`Token <key>`, or `Bearer <access token>` refreshed when it has expired."""

    def __init__(self, sdk: SDK, http: httpx.Client, url: str) -> None:
        self._wrapper = sdk._client_wrapper  # the SDK has no public way to the header
        self._http, self._url = http, url
        # On this machine's loopback nobody listens to a key; commands that a person runs ask there, too.
        self._final = url.lower().startswith("https:") or is_loopback(httpx.URL(url).host)

    def header(self) -> str:
        """Raises RedirectedError, before the key is sent for the first time, where plain http leads
        elsewhere."""
        if not self._final:
            require_final(self._http, self._url)
            self._final = True
        return self._wrapper.get_headers()["Authorization"]

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        request.headers["Authorization"] = self.header()
        yield request
