"""Folders of small images, some of them with masks."""

from pathlib import Path

import pytest

from tests.model.data.noise import put_image, put_mask


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """Images a to e, masks for a.png and b.jpg."""
    images, masks = tmp_path / "images", tmp_path / "masks"
    for seed, name in enumerate(["a.png", "b.jpg", "c.TIF", "d.jpeg", "e.png"]):
        put_image(images, name, seed=seed)
    put_mask(masks, "a.png")
    put_mask(masks, "b.png", white=True)
    return images, masks
