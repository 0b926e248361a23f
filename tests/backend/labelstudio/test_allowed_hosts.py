"""Which servers are asked for images, when a task's address is whatever somebody has written into it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from backend.errors import LabelStudioError, TaskImageError
from backend.labelstudio.client import LabelStudio
from backend.labelstudio.http.allowed_hosts import AllowedHosts, is_public
from backend.labelstudio.images import fetch
from backend.labelstudio.labels.config import EXAMPLE, parse
from tests.backend.labelstudio.image_tasks import png
from tests.web_server import Answer, web_server

PRIVATE = (
    *(
        "127.0.0.1",
        "127.9.9.9",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.0.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",
        "224.0.0.1",
    ),
    *(
        "::1",
        "::",
        "fe80::1%eth0",
        "fd00::1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "64:ff9b::a9fe:a9fe",
        "2002:7f00:1::",
    ),
)


@pytest.mark.parametrize("address", PRIVATE)
def test_private_addresses_in_all_their_spellings(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"])
def test_public_addresses(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "[::1]", "2130706433", "0x7f000001", "127.1", "LOCALHOST"]
)
def test_this_machine_is_not_asked_under_any_name(host: str) -> None:
    """Unless the setting names it."""
    url = httpx.URL(f"http://{host}:8000/x.png")
    with pytest.raises(LabelStudioError, match="IMAGE_HOSTS"):
        AllowedHosts([]).require(url)
    AllowedHosts([url.host.rstrip(".").lower()]).require(url)
    AllowedHosts([f"{url.host.rstrip('.').lower()}:8000"]).require(url)
    with pytest.raises(LabelStudioError, match="IMAGE_HOSTS"):
        AllowedHosts([f"{url.host}:9000"]).require(url)


@pytest.mark.parametrize("host", ["169.254.169.254", "10.0.0.5", "2852039166", "0xa9fea9fe", "[fd00::1]"])
def test_proxy_is_no_way_to_a_private_address(monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    """It stands in the private network itself; names it looks up as it may."""
    for name in ("http_proxy", "HTTP_PROXY"):
        monkeypatch.setenv(name, "http://proxy.example:3128")
    with pytest.raises(LabelStudioError, match="IMAGE_HOSTS"):
        AllowedHosts([]).require(httpx.URL(f"http://{host}/x.png"))
    AllowedHosts([]).require(httpx.URL("http://images.example/x.png"))


def test_name_that_leads_elsewhere_the_second_time_is_seen_at_the_connection() -> None:
    """DNS rebinding: what was looked up before is not what is connected to."""
    with pytest.raises(LabelStudioError, match="IMAGE_HOSTS"):
        AllowedHosts([]).require_peer(httpx.URL("http://images.example.org/x.png"), "127.0.0.1")


@pytest.fixture
def secret_server() -> Iterator[tuple[int, list[str]]]:
    """A program of this machine that tells secrets to whoever asks, and where it was asked."""
    asked: list[str] = []

    def answer(path: str) -> Answer:
        asked.append(path)
        if path.startswith("/lead"):
            return 302, {"Location": path.removeprefix("/lead/")}, b""
        return (200, {}, png(1)) if path.endswith(".png") else (418, {}, b"the password is mellon")

    with web_server(answer) as port:
        yield port, asked


def test_nothing_is_sent_to_a_private_server_and_a_named_one_tells_no_text(
    secret_server: tuple[int, list[str]], tmp_path: Path
) -> None:
    """Neither directly nor after a redirect;
    of a server that may be asked, only images get further, and no text of an answer."""
    port, asked = secret_server
    config = parse(EXAMPLE)

    def get(address: str, hosts: list[str]) -> bytes:
        client = LabelStudio("http://127.0.0.2:9", "0123456789", attempts=1, image_hosts=hosts)
        return fetch(client, {"id": 1, "data": {"image": address}}, config, tmp_path)

    with pytest.raises(TaskImageError, match=r"task 1: .*IMAGE_HOSTS"):
        get(f"http://localhost:{port}/x.png", [])
    assert asked == []
    with pytest.raises(TaskImageError, match="IMAGE_HOSTS"):
        get(f"http://localhost:{port}/lead/http://127.0.0.3:{port}/x.png", ["localhost"])
    assert len(asked) == 1
    with pytest.raises(TaskImageError) as caught:
        get(f"http://localhost:{port}/token", ["localhost"])
    assert "answered 418" in str(caught.value)
    assert "mellon" not in str(caught.value)
    assert get(f"http://localhost:{port}/x.png", [f"localhost:{port}"]) == png(1)
