"""A proxy in the environment: named, and gone around on this machine."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from backend.errors import SettingsError, UnreachableError
from backend.labelstudio.client import LabelStudio
from backend.proxy import proxy_of
from tests.web_server import web_server

ROOT = Path(__file__).resolve().parents[2]
NOBODY = "http://user:secret@127.0.0.1:9"


@pytest.fixture(autouse=True)
def no_proxy_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


def test_programs_of_this_machine_are_reached_without_it() -> None:
    """Whatever the library, and in the processes that are started; what the lab set stays."""
    ask = "import backend, httpx, os, sys; print(httpx.get(sys.argv[1]).text, os.environ['NO_PROXY'])"
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "HTTP_PROXY": NOBODY, "NO_PROXY": "lab.example.org"}
    with web_server(lambda _: (200, {}, b"reached")) as port:
        for host in ("127.0.0.1", "localhost"):
            url = f"http://{host}:{port}/"
            done = subprocess.run(
                [sys.executable, "-c", ask, url], env=environment, capture_output=True, text=True, check=True
            )
            assert done.stdout.split() == ["reached", "lab.example.org,localhost,127.0.0.1,::1"]


def test_it_is_named_where_something_is_not_reached_through_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """With what goes around it, and without its password."""
    monkeypatch.setenv("HTTP_PROXY", NOBODY)
    monkeypatch.setenv("http_proxy", NOBODY)
    monkeypatch.setenv("no_proxy", "inside.example.org")
    assert proxy_of("http://label-studio:8080") == "http://127.0.0.1:9"
    assert (
        proxy_of("http://inside.example.org")
        == proxy_of("https://label-studio")
        == proxy_of("http://127.0.0.1:8080")
        == ""
    )
    with pytest.raises(
        UnreachableError, match=r"proxy http://127\.0\.0\.1:9 .*NO_PROXY=label-studio"
    ) as caught:
        LabelStudio("http://label-studio:8080", "0" * 40, attempts=1).user()
    assert "secret" not in str(caught.value)


def test_one_that_cannot_be_used_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Such as one of another kind than the libraries know, instead of a traceback."""
    monkeypatch.setenv("ALL_PROXY", "socks4://127.0.0.1:9")
    monkeypatch.setenv("all_proxy", "socks4://127.0.0.1:9")
    with pytest.raises(ValueError, match="scheme"):
        httpx.Client()
    with pytest.raises(SettingsError, match=r"\(all_proxy\)"):
        LabelStudio("http://label-studio:8080", "0" * 40)
