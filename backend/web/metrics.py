"""GET /metrics for Prometheus, behind the same password as everything else;
docs/metrics.md explains each name."""

from __future__ import annotations

from flask import Blueprint, Response, current_app, request
from prometheus_client.exposition import choose_encoder

metrics = Blueprint("metrics", __name__)


@metrics.get("/metrics")
def scrape() -> Response:
    """All metrics, in the form that the caller prefers."""
    encode, content_type = choose_encoder(request.headers.get("Accept", ""))
    return Response(encode(current_app.config["METRICS"]), content_type=content_type)
