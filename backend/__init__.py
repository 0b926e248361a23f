"""The service: what speaks Label Studio, HTTP and Redis. It imports `model`, never the other way."""

from importlib.util import find_spec

if find_spec("label_studio_ml") is None:
    raise ImportError(
        "label-studio-ml is not installed, expected version 1.0.9; install it without its outdated pins: "
        "pip install --no-deps label-studio-ml==1.0.9"
    )
