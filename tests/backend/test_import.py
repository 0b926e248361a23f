"""What importing the service needs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def run(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)


def test_a_missing_package_says_which_command_installs_it() -> None:
    """label-studio-ml is the one requirement that pip installs in a second step, so it is the one that gets
    forgotten."""
    done = run(
        "import importlib.util as util; find = util.find_spec\n"
        "util.find_spec = lambda name, *rest: None if name == 'label_studio_ml' else find(name, *rest)\n"
        "import backend"
    )
    assert done.returncode == 1
    assert "pip install --no-deps label-studio-ml==1.0.9" in done.stderr


def test_asking_for_a_job_needs_no_torch() -> None:
    """Commands answer at once: who enqueues does not import the networks' libraries."""
    done = run(
        "import sys, backend.queue.enqueue, backend.run.scheduler; assert 'torch' not in sys.modules, 'torch"
        " was imported'"
    )
    assert done.returncode == 0, done.stderr


def test_threads_that_wait_do_not_spin_and_no_library_is_loaded_for_nothing() -> None:
    """The thread library reads its policy when torch is loaded;
    set later, it is ignored, and a prediction takes six times as long."""
    done = run(
        "import os, sys; os.environ.pop('OMP_WAIT_POLICY', None)\nclass Finder:\n    def find_spec(self,"
        " name, *rest):\n        if name == 'torch': print('at torch:',"
        " os.environ.get('OMP_WAIT_POLICY'))\nsys.meta_path.insert(0, Finder())\nimport"
        " backend.web.gunicorn_config, backend.app, backend.jobs.entry_points, model.cli.app\nprint('slow:',"
        " sys.modules.keys() & {'segmentation_models_pytorch', 'timm', 'torchvision', 'torch._dynamo',"
        " 'pandas', 'matplotlib', 'scipy.stats'})"
    )
    assert "at torch: PASSIVE" in done.stdout, done.stderr
    assert (
        "slow: set()" in done.stdout
    )  # seconds of every start; only other encoders than the classical one, and reports, need them
