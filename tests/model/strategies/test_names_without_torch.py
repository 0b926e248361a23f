"""Names and options of the strategies are read by programs that have no use for networks."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
LOOK = """
import sys, traceback

class Finder:
    def find_spec(self, name, *rest):
        if name == "torch":
            files = [frame.filename for frame in traceback.extract_stack()]
            print(*[name for name in files if "/model/" in name])

sys.meta_path.insert(0, Finder())
import model.strategies
model.strategies.strategy_options()
"""


def test_names_and_options_are_read_without_torch() -> None:
    """The web server and the scheduler would take two seconds and half a gigabyte more, at every start.

    In a strategy, import what loads torch in the function that computes, and `Round` for type checking only.
    """
    done = subprocess.run(
        [sys.executable, "-c", LOOK], cwd=ROOT, capture_output=True, text=True, check=True, timeout=240
    )
    assert done.stdout == "", f"torch was imported by the last of {done.stdout}"
