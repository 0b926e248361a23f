"""Tasks and the bytes of their images."""

from __future__ import annotations

from typing import Any

from tests.backend.noise import noise_png


def png(seed: int) -> bytes:
    """An image of noise."""
    return noise_png(48, 64, seed=seed)


def task(address: object, number: int = 5) -> dict[str, Any]:
    """A task that shows one image."""
    return {"id": number, "data": {"image": address}}
