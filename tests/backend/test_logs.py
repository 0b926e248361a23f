"""Lines say what they belong to, in text and in JSON, and hold no secret."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context

import pytest

from backend import logs
from backend.settings import Settings, read_settings

SECRETS = {
    "label_studio_api_key": "0123456789abcdef",
    "basic_auth_user": "label-studio",
    "basic_auth_pass": "correct horse",
    "redis_url": "redis://:p%40ssword@127.0.0.1:1/0",
    "storage_url": "ftp://lab:st0rage-pass@host/folder",
}


def line(settings: Settings, message: str, *arguments: object) -> str:
    record = logging.LogRecord("backend.test", logging.INFO, __file__, 1, message, arguments, None)
    return logs.Lines(settings).format(record)


def test_fields_are_those_bound_around() -> None:
    """The inner win; what was bound on the way ends with the `bound` around it; empty ones are left out."""
    text, as_json = read_settings(), read_settings(log_json=True)
    assert line(text, "hello %s", "you").endswith("INFO backend.test: hello you")
    with logs.bound(project=3, job="a", request=""):
        with logs.bound(job="b"):
            logs.bind(round="v1.r2")
            assert "[project=3 round=v1.r2 job=b]: hello" in line(text, "hello")
            assert (
                json.loads(line(as_json, "hello")).items()
                >= {"project": 3, "round": "v1.r2", "job": "b", "message": "hello"}.items()
            )
        assert "[project=3 job=a]" in line(text, "hello")
    assert logs.fields() == {}


def test_threads_take_a_copy_of_the_context() -> None:
    """Without it, a line of a pool's thread belongs to nothing, or worse, to what the thread did before."""
    with ThreadPoolExecutor(1) as pool, logs.bound(project=1):
        assert pool.submit(logs.fields).result() == {}
        assert pool.submit(copy_context().run, logs.fields).result() == {"project": 1}


@pytest.mark.parametrize("log_json", [False, True])
def test_secrets_are_masked_in_every_form(log_json: bool) -> None:
    """Keys and passwords, as they are, as in an address, and as in an Authorization header."""
    settings = read_settings(log_json=log_json, **SECRETS)
    forms = [
        "0123456789abcdef",
        "correct horse",
        "bGFiZWwtc3R1ZGlvOmNvcnJlY3QgaG9yc2U=",
        "p%40ssword",
        "p@ssword",
        "st0rage-pass",
    ]
    shown = line(settings, "sent %s", " ".join(forms))
    assert shown.count("****") == len(forms)
    assert not any(form in shown for form in forms)


def test_fatal_errors_and_warnings_are_lines_too() -> None:
    """Nothing but JSON comes out of a process that was told to write JSON, however it ends."""
    code = """
import threading, warnings
from backend.logs import configure_logging
from backend.settings import read_settings
configure_logging(read_settings(log_json=True, basic_auth_user="me", basic_auth_pass="a secret word"))
warnings.warn("deprecated")
thread = threading.Thread(target=lambda: 1 / 0); thread.start(); thread.join()
raise ValueError("a secret word")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    lines = [json.loads(entry) for entry in done.stderr.splitlines()]
    assert done.returncode == 1
    for entry, word in zip(lines, ("deprecated", "thread", "ended"), strict=True):
        assert word in entry["message"]
    assert "ZeroDivisionError" in lines[1]["traceback"]
    assert "ValueError: ****" in lines[2]["traceback"]
