"""The rival of /webhook:
a server that learns inside the request, one gradient step, as little as a fit can do."""

from __future__ import annotations

import numpy as np
import torch
from flask import Flask, Response, jsonify, request

from backend.settings import get_settings
from model.network.recipe import Recipe
from model.network.training import train

SIDE = 128  # pixels: one crop of the default recipe


def create_app() -> Flask:
    """What gunicorn serves, with the same configuration as the service."""
    app = Flask("synchronous fit")
    random = np.random.default_rng(0)
    image = random.normal(0, 1, (SIDE, SIDE, 3)).astype(np.float32)
    mask = (image[..., 0] > 0).astype(np.uint8)

    @app.get("/health")
    def health() -> Response:
        return jsonify({"status": "UP"})

    @app.post("/webhook")
    def webhook() -> Response:
        request.get_json()
        torch.set_num_threads(get_settings().torch_threads)
        train([image], [mask], classes=2, recipe=Recipe(batch=2), seed=0, steps=1)
        return jsonify({})

    return app
