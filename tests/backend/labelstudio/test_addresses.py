"""Label Studio under several names: which addresses are its own, and that the key goes nowhere else."""

from __future__ import annotations

import pytest

from backend.labelstudio.http.addresses import Addresses

INSIDE = "http://label-studio:8080"
LS = "https://lab.example.org/ls"


@pytest.mark.parametrize(
    ("url", "others", "address", "asked"),
    [
        (
            INSIDE,
            ["http://localhost:8080"],
            "http://localhost:8080/data/local-files/?d=a%20b/c%231.png",
            "/data/local-files/?d=a%20b/c%231.png",
        ),
        (
            INSIDE,
            ["http://localhost:8080/"],
            "http://127.0.0.1:8080/data/upload/1/x.png",
            "/data/upload/1/x.png",
        ),
        (
            INSIDE,
            ["https://Lab.Example.org/ls/"],
            "https://lab.EXAMPLE.org:443/ls/data/upload/1/x.png",
            "/data/upload/1/x.png",
        ),
        (
            INSIDE,
            [LS],
            "http://lab.example.org/ls/tasks/3/resolve/?fileuri=czM6",
            "/tasks/3/resolve/?fileuri=czM6",
        ),
        (INSIDE, [LS], "/ls/data/upload/1/x.png", "/data/upload/1/x.png"),
        (INSIDE, [], "/ls/data/upload/1/x.png", "/data/upload/1/x.png"),
        (INSIDE, ["https://lab.example.org/data"], "/data/data/upload/1/x.png", "/data/upload/1/x.png"),
        (
            INSIDE,
            ["https://lab.example.org/data"],
            "/data/upload/1/data/upload/x.png",
            "/data/upload/1/data/upload/x.png",
        ),
        (LS, [], "/ls/data/upload/1/x.png", "/data/upload/1/x.png"),
        (LS, [], "/data/local-files/?d=x.png", "/data/local-files/?d=x.png"),
        (
            LS,
            [],
            "https://lab.example.org/ls/storage-data/uploaded/?filepath=x.png",
            "/storage-data/uploaded/?filepath=x.png",
        ),
        (LS, ["https://lab.example.org"], "/tasks/3/presign/?fileuri=czM6", "/tasks/3/presign/?fileuri=czM6"),
    ],
)
def test_one_server_is_asked_at_one_address_with_the_key(
    url: str, others: list[str], address: str, asked: str
) -> None:
    place = Addresses(url, others).find(address)
    assert (str(place.url), place.keyed) == (url + asked, True)


@pytest.mark.parametrize(
    "path", ["/api/current-user/token", "/static/x.png", "/data/../api/users", "/api/tasks/1?x=/data/upload/"]
)
def test_key_opens_nothing_but_images(path: str) -> None:
    """A task's address is whatever somebody has written into it;
    with the key, the answer could be the key."""
    for address in (path, f"{LS}{path}", f"/ls{path}"):
        assert not Addresses(LS, [LS]).find(address).keyed, address


@pytest.mark.parametrize(
    "address",
    [
        "https://lab.example.org/data/upload/1/x.png",  # beside the sub-path: another application
        "https://lab.example.org/lsx/data/upload/1/x.png",
        "https://lab.example.org:8443/ls/data/upload/1/x.png",
        "https://lab.example.org.evil.org/ls/data/upload/1/x.png",
        "https://lab.example.org@evil.org/ls/data/upload/1/x.png",
        "https://lab.example.org/ls/%2e%2e/other/data/upload/1/x.png",
        "https://lab.example.org/ls/..%2Fother/x.png",
        "https://lab.example.org/ls/%252e%252e/other/x.png",
        "https://lab.example.org/ls/..;/other/x.png",
        "https://lab.example.org/ls\\..\\other/x.png",
        "https://lab.example.org/ls/../other/x.png",
    ],
)
def test_other_servers_and_applications_never_see_the_key(address: str) -> None:
    addresses = Addresses(LS, [None, "", "nonsense", "https://lab.example.org/ls"])
    for redirected in (False, True):
        assert not addresses.find(address, redirected=redirected).keyed
    assert not addresses.find("/%2e%2e/other/x.png").keyed


def test_where_a_redirect_leads_gets_the_key_only_for_what_is_label_studio_s() -> None:
    """A signed address on the same host has its own key, and storages refuse two."""
    addresses = Addresses(INSIDE, ["https://lab.example.org"])
    assert not addresses.find(f"{INSIDE}/bucket/x.png?X-Amz-Signature=1", redirected=True).keyed
    assert (
        str(addresses.find("https://lab.example.org/bucket/x.png", redirected=True).url)
        == "https://lab.example.org/bucket/x.png"
    )
    assert addresses.find("https://lab.example.org/data/upload/1/x.png", redirected=True).keyed


def test_what_stands_beside_label_studio_is_asked_there_if_label_studio_lacks_it() -> None:
    place = Addresses(INSIDE, ["https://lab.example.org"]).find("https://lab.example.org/microscope/x.png")
    assert (str(place.url), place.keyed) == (f"{INSIDE}/microscope/x.png", False)
    assert str(place.otherwise) == "https://lab.example.org/microscope/x.png"
