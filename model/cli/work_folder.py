"""Where a ranking without --work keeps its networks, so that a stopped one goes on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from model.data.folders import EXTENSIONS
from model.data.pool import Pool
from model.hashing import digest
from model.network.recipe import Recipe


def work_folder(cache: Path, pool: Pool, recipe: Recipe, seed: int) -> Path:
    """A folder of its own in `cache` for every input:
    another mask, image or setting starts afresh instead of mixing in old networks."""
    description: list[Any] = [recipe.to_dict(), seed, pool.classes]
    paths = [list(pool.image_paths.values()), list(pool.mask_paths.values())]
    for some in paths:
        stems = {(path.parent.resolve(), path.stem) for path in some}
        files = [
            path
            for folder in sorted({folder for folder, _ in stems})
            for path in sorted(folder.iterdir())
            if (folder, path.stem) in stems and path.suffix.lower() in EXTENSIONS and path.exists()
        ]
        description.append([(str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in files])
    return cache / digest(description)
