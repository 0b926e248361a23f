"""Where an address leads, asked without a key:
http that redirects to https would be given the key in clear."""

from __future__ import annotations

from ipaddress import ip_address

import httpx

from backend.errors import RedirectedError

_PATH = "/api/version"
"""Label Studio answers it without a key; a proxy that redirects http to https does so for every path."""


def require_final(http: httpx.Client, url: str) -> None:
    """Raise RedirectedError, with the address to set instead, if requests to `url` are sent elsewhere;
    anything else passes.

    Raises httpx.TransportError when nothing answers.
    """
    error = redirection(url, http.get(url + _PATH, follow_redirects=False))
    if error is not None:
        raise error


def redirection(url: str, answer: httpx.Response) -> RedirectedError | None:
    """What is wrong with LABEL_STUDIO_URL `url` where an answer below it leads elsewhere;
    None if it does not."""
    if not answer.has_redirect_location:
        return None
    path = str(answer.request.url.copy_with(query=None)).removeprefix(url)
    target = str(answer.request.url.join(answer.headers["location"]).copy_with(query=None, fragment=None))
    final = target.removesuffix("/").removesuffix(path.rstrip("/"))
    if final == url:  # only a slash at the end of the path
        return None
    if final == target.removesuffix("/"):  # another page altogether, such as a proxy's log-in
        final = ""
    remedy = (
        f"set LABEL_STUDIO_URL={final}"
        if final
        else (
            "set LABEL_STUDIO_URL to an address at which Label Studio itself answers this service, without a"
            " log-in page before it"
        )
    )
    return RedirectedError(
        f"LABEL_STUDIO_URL {url} is redirected to {target}; {remedy}.",
        final=final,
        status=answer.status_code,
    )


def is_loopback(host: str) -> bool:
    """Whether a host's name or address means this machine."""
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith((".localhost", "localhost.localdomain"))
