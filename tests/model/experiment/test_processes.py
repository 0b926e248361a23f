"""Processes that share an experiment's work say nothing, whenever somebody stops it."""

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
EXPERIMENT = """
import sys, time
from model import stop_signals
from model.experiment.processes import results_of

def work(_):
    time.sleep(100)

if __name__ == "__main__":
    stop_signals.end_at_once()
    try:
        with stop_signals.raised():
            print("begun", flush=True)
            for _ in results_of(2, work, lambda: {"one": (1,), "two": (2,)}):
                pass
    except stop_signals.Stopped as stopped:
        sys.exit(stopped.exit_code)
"""
SLOW_TORCH = "import time; time.sleep(0.3)\ndef set_num_threads(_): ...\n"
"""Stands for the library whose import takes seconds, so that a press meets it however fast the machine is."""
MOMENTS = [number * 0.035 for number in range(20)]
"""Seconds after its beginning, up to twice the time that its processes take to start."""


def stop(folder: Path, seconds: float, *signals: signal.Signals) -> tuple[int, str]:
    """Start the experiment, send it and all its processes the signals, as a terminal does;
    the exit code and all they printed."""
    # A shell that starts the tests in the background makes them, and what they start, ignore Ctrl-C.
    with subprocess.Popen(
        [sys.executable, folder / "experiment.py"],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": f"{folder}{os.pathsep}{ROOT}"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        start_new_session=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "begun\n"
        try:
            time.sleep(seconds)
            for number in signals:
                os.killpg(process.pid, number)
                time.sleep(0.01)
            said = process.communicate(timeout=60)[0]
            return process.returncode, said
        finally:
            process.kill()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("experiment")
    (made / "torch.py").write_text(SLOW_TORCH)
    (made / "experiment.py").write_text(EXPERIMENT)
    return made


@pytest.mark.parametrize(
    ("moments", "signals"),
    [
        (MOMENTS[::2], [signal.SIGINT]),
        (MOMENTS[1::2], [signal.SIGINT] * 2),
        (MOMENTS[::4], [signal.SIGHUP, signal.SIGTERM]),
    ],
    ids=["Ctrl-C", "Ctrl-C twice", "a closed terminal and kill"],
)
def test_nothing_is_printed_whenever_it_is_stopped(
    folder: Path, moments: list[float], signals: list[signal.Signals]
) -> None:
    """At moments from the first millisecond of its processes to their work.

    Its exit code is the first signal's; where two came while signals were deferred, as around the start of
    a process, it may be either's: `multiprocessing` lets Ctrl-C and `kill` through before a closed terminal.
    """
    with ThreadPoolExecutor(4) as threads:
        ends = list(threads.map(lambda seconds: stop(folder, seconds, *signals), moments))
    assert {said for _, said in ends} == {""}
    assert {code for code, _ in ends} <= {128 + number for number in signals}
