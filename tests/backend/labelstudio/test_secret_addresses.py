"""What an image's address may hold, a signature or a password, stays out of messages."""

from __future__ import annotations

from pathlib import Path

import pytest

from backend.errors import TaskImageError
from backend.labelstudio.client import LabelStudio
from backend.labelstudio.http.addresses import MOST_SHOWN, strip_secrets
from backend.labelstudio.images import fetch
from backend.labelstudio.labels.config import EXAMPLE, parse
from tests.backend.labelstudio.image_tasks import task
from tests.web_server import Answer, web_server

CONFIG = parse(EXAMPLE)
PATHS = (
    "/c/gone.png",
    "/c/refused.png",
    "/c/empty.png",
    "/c/page.png",
    "/c/circle.png",
    "/data/upload/1/x.png",
)


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        (
            "https://acct.blob.core.windows.net/c/i.png?sv=1&sig=x",
            "https://acct.blob.core.windows.net/c/i.png",
        ),
        ("https://user:pass@word@store:8443/a@2x.png#sig", "https://store:8443/a@2x.png"),
        ("//user:password@store/i.png", "//store/i.png"),
        ("https://user:pass/word@store/i.png", "https://store/i.png"),
        ("https://user:pass#word?@store/i.png?sig=x", "https://store/i.png"),
        ("https://store:8443/a/b@2x.png", "https://store:8443/a/b@2x.png"),
        ("http://[::1]:80/a@2x.png", "http://[::1]:80/a@2x.png"),
        ("http://user:password@[store/i.png", "http://[store/i.png"),
        ("s3://bucket/a b.png", "s3://bucket/a b.png"),
        ("/data/upload/1/x.png?token=x", "/data/upload/1/x.png"),
        ("/data/local-files/?d=room/a.png&token=x", "/data/local-files/?d=room/a.png"),
        (
            "http://lab/ls/data/local-files/?d=room/a%231.png",
            "http://lab/ls/data/local-files/?d=room/a%231.png",
        ),
        ("http://lab/data/local-files/?sig=x", "http://lab/data/local-files/"),
        ("C:\\a.png", "C:\\a.png"),
        ("https://store/" + "a" * MOST_SHOWN, ("https://store/" + "a" * MOST_SHOWN)[:MOST_SHOWN]),
    ],
)
def test_an_address_is_named_without_what_opens_it(address: str, shown: str) -> None:
    assert strip_secrets(address) == shown


def answer(path: str) -> Answer | None:
    """As a storage, or a Label Studio, in which something is wrong with each image."""
    path = path.partition("?")[0]
    return {
        "/c/refused.png": (403, {}, b""),
        "/c/empty.png": (200, {}, b""),
        "/c/page.png": (200, {"Content-Type": "text/html"}, b"<html>Log in"),
        "/c/circle.png": (302, {"Location": "/c/circle.png?sig=SIGNED"}, b""),
    }.get(path, (404, {}, b""))


def test_no_message_about_an_image_tells_a_signature_or_a_password(tmp_path: Path) -> None:
    """Messages reach the log, Redis, the record of the version and the page, which others read."""
    with web_server(answer) as port:
        pass
    away = port
    with web_server(answer) as port:
        client = LabelStudio(f"http://127.0.0.1:{port}/ls", "0" * 40, attempts=1)
        addresses = [
            *(f"http://user:SECRET@127.0.0.1:{port}{path}?sv=1&sig=SIGNED#SIGNED" for path in PATHS),
            f"http://user:SECRET@127.0.0.1:{away}/c/away.png?sig=SIGNED",
            "http://user:SECRET@[bad/a.png?sig=SIGNED",
            "http://user:SECRET@st\u2100re/a.png?sig=SIGNED",
            "ftp://user:SECRET@store/a.png?sig=SIGNED",
            ["http://user:SECRET@store/a.png"],
        ]
        for address in addresses:
            with pytest.raises(TaskImageError, match=r"^task 5: ") as raised:
                fetch(client, task(address), CONFIG, tmp_path)
            told = f"{raised.value} {raised.value.remedy}"
            assert not [secret for secret in ("user", "SECRET", "SIGNED") if secret in told], told
