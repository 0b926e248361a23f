"""Images that come late, in part, or not at all:
only they are missing, nobody waits for them twice, and nothing broken is kept."""

from __future__ import annotations

import hashlib
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from backend.demo.server import LabelStudioServer
from backend.errors import TaskImageError, UnreachableError
from backend.labelstudio import image_cache
from backend.labelstudio.client import LabelStudio
from backend.labelstudio.http import download
from backend.labelstudio.images import Failures, fetch
from backend.labelstudio.labels.config import EXAMPLE, parse
from tests.backend.labelstudio.image_tasks import png, task
from tests.backend.noise import noise_png
from tests.web_server import Answer, web_server

CONFIG = parse(EXAMPLE)


@contextmanager
def slow_server(start: bytes, drip: bytes) -> Iterator[tuple[int, list[float]]]:
    """Sends `start` and then a piece of `drip` every 0.1 s, for ever; its port, and when it was asked."""
    asked: list[float] = []
    listener = socket.create_server(("127.0.0.1", 0))

    def serve(client: socket.socket) -> None:
        with suppress(OSError), client:
            client.recv(4096)
            client.sendall(start)
            while True:
                time.sleep(0.1)
                client.sendall(drip)

    def accept() -> None:
        with suppress(OSError):
            while True:
                client, _ = listener.accept()
                asked.append(time.time())
                threading.Thread(target=serve, args=(client,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    yield listener.getsockname()[1], asked
    listener.close()


@pytest.mark.parametrize(
    ("start", "drip"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Type: image/png\r\n\r\n", b"x"),
        (b"HTTP/1.1 200 OK\r\n", b"X-Slow: 1\r\n"),
        (b"", b""),
    ],
    ids=["body", "headers", "nothing"],
)
def test_an_address_that_drips_is_given_up_and_not_asked_again(
    client: LabelStudio, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, start: bytes, drip: bytes
) -> None:
    """However slowly a server sends, a worker is free again;
    within a job nobody waits for the same address twice."""
    monkeypatch.setattr(download, "SLOW_SECONDS", 0.5)
    monkeypatch.setattr(download, "ANSWER_SECONDS", 1.0)
    failures = Failures()
    with slow_server(start, drip) as (port, asked):
        for _ in range(3):
            with pytest.raises(TaskImageError, match=r"^task 5: .*127\.0\.0\.1 .*sent"):
                fetch(client, task(f"http://127.0.0.1:{port}/a.png"), CONFIG, tmp_path, failures=failures)
        assert len(asked) == 1


def test_a_server_that_is_away_costs_one_wait_and_only_its_own_images(
    client: LabelStudio, tmp_path: Path
) -> None:
    """Label Studio is not blamed, and once the server is back its images are read."""
    failures = Failures()
    with web_server(lambda _: (200, {}, png(1))) as port:
        pass
    for name in ("a", "b"):
        with pytest.raises(TaskImageError, match=rf"^task 5: .*/{name}\.png does not answer"):
            fetch(client, task(f"http://127.0.0.1:{port}/{name}.png"), CONFIG, tmp_path, failures=failures)
    with web_server(lambda _: (200, {}, png(2))) as other:
        assert fetch(
            client, task(f"http://127.0.0.1:{other}/a.png"), CONFIG, tmp_path, failures=failures
        ) == png(2)
        assert fetch(
            client, task(f"http://127.0.0.1:{other}/a.png"), CONFIG, tmp_path, failures=Failures()
        ) == png(2)


def test_a_label_studio_that_is_away_is_told_apart_from_a_storage_behind_it(tmp_path: Path) -> None:
    """It hands out images of a storage itself;
    while it answers otherwise, one that it does not deliver is one image less."""
    answers: dict[str, Answer] = {"/api/version": (200, {}, b"{}"), "/data/upload/1/y.png": (503, {}, b"")}
    with web_server(answers.get) as port:
        client = LabelStudio(f"http://127.0.0.1:{port}", "0" * 40, attempts=1)
        with pytest.raises(TaskImageError, match=r"not deliver .*the storage"):
            fetch(client, task("/data/upload/1/x.png"), CONFIG, tmp_path)
        with pytest.raises(TaskImageError, match="answered 503"):
            fetch(client, task("/data/upload/1/y.png"), CONFIG, tmp_path)
    with pytest.raises(UnreachableError):
        fetch(client, task("/data/upload/1/x.png"), CONFIG, tmp_path)


def test_page_of_a_proxy_in_place_of_an_image_is_waited_for(tmp_path: Path) -> None:
    """With status 200, as for every other request; where it stays, only that image, or all, is not there."""
    page: Answer = (200, {"Content-Type": "text/html; charset=utf-8"}, b"<html>Back in a minute")
    pages = [page]
    answers: dict[str, Answer] = {"/api/version": (200, {}, b"{}"), "/data/upload/1/y.png": page}

    def answer(path: str) -> Answer:
        return answers.get(path) or (pages.pop() if pages else (200, {}, png(1)))

    with web_server(answer) as port:
        client = LabelStudio(f"http://127.0.0.1:{port}", "0" * 40, attempts=2)
        assert fetch(client, task("/data/upload/1/x.png"), CONFIG, tmp_path) == png(1)
        with pytest.raises(TaskImageError, match="a page"):
            fetch(client, task("/data/upload/1/y.png"), CONFIG, tmp_path)
        answers["/api/version"] = page
        with pytest.raises(UnreachableError):
            fetch(client, task("/data/upload/1/y.png"), CONFIG, tmp_path)


@pytest.mark.parametrize(
    "broken",
    [
        b"<!DOCTYPE html><title>Log in</title>",
        b'{"error": "later"}',
        png(1)[:-200],
        noise_png(48, 64, top=1),
        b"",
    ],
    ids=["log-in page", "JSON", "cut off", "black", "empty"],
)
def test_a_mended_image_is_seen_at_the_next_try(client: LabelStudio, tmp_path: Path, broken: bytes) -> None:
    """Only what can be worked on is kept."""
    now = [broken]
    with web_server(lambda _: (200, {}, now[0])) as port:
        where = task(f"http://127.0.0.1:{port}/a.png")
        with suppress(TaskImageError):
            fetch(client, where, CONFIG, tmp_path)
        assert not any(tmp_path.iterdir())
        now[0] = png(1)
        assert fetch(client, where, CONFIG, tmp_path) == png(1)
        now[0] = broken
        assert fetch(client, where, CONFIG, tmp_path) == png(1)


def test_what_an_earlier_release_kept_is_taken_over_if_it_is_an_image(
    client: LabelStudio, label_studio: LabelStudioServer, tmp_path: Path
) -> None:
    """It kept whatever came, for a day."""
    with web_server(lambda _: (200, {}, png(1))) as port:
        for name, kept, found in (
            ("good", png(2), png(2)),
            ("page", b"<html>Log in</html>", png(1)),
            ("cut", png(2)[:-200], png(1)),
        ):
            where = f"http://127.0.0.1:{port}/{name}.png"
            old = tmp_path / hashlib.sha256(f"{label_studio.url} {where}".encode()).hexdigest()
            old.write_bytes(kept)
            assert fetch(client, task(where), CONFIG, tmp_path) == found
            assert not old.exists()


def test_images_that_nobody_used_for_a_day_leave_the_disk(tmp_path: Path) -> None:
    for project, age in (("project-1", 0.0), ("project-2", image_cache.MAX_AGE)):
        (tmp_path / project).mkdir()
        (tmp_path / project / "a.image").write_bytes(png(1))
        os.utime(tmp_path / project / "a.image", (time.time() - age,) * 2)
    image_cache.prune(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["project-1"]
