"""The service: what speaks Label Studio, HTTP and Redis. It imports `model`, never the other way."""

import os
from importlib.util import find_spec

# Read by torch's thread library when it is loaded, so it must be set before anything here imports torch.
# With threads that spin while they wait, a prediction takes six times and a training fifty times as long on a
# machine that does something else as well.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

if find_spec("label_studio_ml") is None:
    raise ImportError(
        "label-studio-ml is not installed, expected version 1.0.9; install it without its outdated pins: "
        "pip install --no-deps label-studio-ml==1.0.9"
    )

if any(
    name.lower().endswith("_proxy") for name in os.environ
):  # a command's first moments are short otherwise
    from backend.proxy import go_around_on_this_machine

    go_around_on_this_machine()
