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


def test_torch_is_loaded_only_where_networks_work() -> None:
    """By jobs and by the process that predicts: the web server, the scheduler and commands start at once, and
    take a fifth of the memory. They name strategies and their options, and tell the version in use."""
    done = run(
        "import os, sys; os.environ['REDIS_URL'] = 'redis://127.0.0.1:1'  # none is asked\n"
        "import backend.app; print('of the web server:', sys.modules.keys() & {'scipy'})\n"
        "import backend.cli, backend.doctor.examination, backend.queue.enqueue\n"
        "import backend.run.scheduler, backend.web.gunicorn_config\n"
        "from backend.project_settings import parse_project_settings\n"
        "from backend.queue.round_request import RoundRequest\n"
        "parse_project_settings({'strategy': 'ensemble', 'search': 'greedy'})\n"
        "RoundRequest().met_by(budget=5, strategy='alike', options={})\n"
        "backend.app.create_app()\n"
        "print('heavy:', sys.modules.keys() & {'torch', 'label_studio_ml', 'timm', 'pandas'})"
    )
    assert "heavy: set()" in done.stdout, done.stdout + done.stderr
    assert "of the web server: set()" in done.stdout


def test_threads_that_wait_do_not_spin_and_no_library_is_loaded_for_nothing() -> None:
    """The thread library reads its policy when torch is loaded;
    set later, it is ignored, and a prediction takes six times as long."""
    done = run(
        """
import os, sys
os.environ.pop('OMP_WAIT_POLICY', None)

class Finder:
    def find_spec(self, name, *rest):
        if name == 'torch':
            print('at torch:', os.environ.get('OMP_WAIT_POLICY'))

sys.meta_path.insert(0, Finder())
import backend.web.gunicorn_config, backend.app, backend.jobs.entry_points, model.cli.app
print('slow:', sys.modules.keys() & {'torch._dynamo', 'pandas', 'matplotlib', 'scipy.stats'})

import numpy as np
from model.network.recipe import Recipe
from model.network.training import train
from model.pixels.pretrained import load_encoder
train([np.zeros((32, 32, 3), np.float32)], [np.zeros((32, 32), np.uint8)], classes=2,
      recipe=Recipe(width=2, depth=1, crop=32, batch=2, steps=1), seed=0)
load_encoder()
print('of encoders:', sys.modules.keys() & {'segmentation_models_pytorch', 'timm', 'torchvision'})
"""
    )
    assert "at torch: PASSIVE" in done.stdout, done.stderr
    assert "slow: set()" in done.stdout  # seconds of every start; trainings and reports need them
    assert "of encoders: set()" in done.stdout, done.stdout + done.stderr
