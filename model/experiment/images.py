"""The labelled images of an experiment: read once, and told from others of the same name."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from model.data.folders import find_files
from model.data.masks.coding import PLAIN, MaskOptions
from model.data.pool import Pool, scan
from model.errors import PoolError
from model.experiment.split import Split
from model.files import real_path
from model.hashing import digest, digest_of_files


def describe_data(data: Path, split: Path, classes: int | None, reading: Mapping[str, Any]) -> dict[str, Any]:
    """`describe_files` of the images that a split names."""
    parts = Split.read(split)
    named = {"split": split.name, "split_digest": digest(parts.pool, parts.test)}
    return describe_files(data, (*parts.pool, *parts.test), named, classes, reading)


def describe_files(
    data: Path, ids: Iterable[str], split: Mapping[str, Any], classes: int | None, reading: Mapping[str, Any]
) -> dict[str, Any]:
    """What tells data and split from others of the same name, wherever they lie;
    the number of classes where it was stated, and `reading`, see `Pool.reading`, where it is not the plain
    one.

    Files of other images than `ids` do not count.
    """
    stems = {unicodedata.normalize("NFC", Path(name).with_suffix("").as_posix()) for name in ids}
    files = [
        [path for stem, path in find_files(data / kind, kind).by_stem.items() if stem in stems]
        for kind in ("images", "masks")
    ]
    return {
        "data": data.name or real_path(data).name,  # "." has none
        "data_digest": digest_of_files(*files),
        **split,
        **({} if classes is None else {"classes": classes}),
        **({"masks": dict(reading)} if reading else {}),
    }


@lru_cache(maxsize=2)
def read_pool(
    data: Path,
    split_path: Path | None,
    max_side: int,
    classes: int | None = None,
    masks: MaskOptions = PLAIN,
) -> Pool:
    """The images and masks of an experiment, read once in each process; without a split all that have both.
    Raises PoolError when one of the split cannot be used, and without foreground."""
    pool = scan(data / "images", data / "masks", max_side=max_side, classes=classes, mask_options=masks)
    for name in pool.ids:
        if not _is_text(name):
            raise PoolError(f"{data}: the name {name!r} is no text in UTF-8, which results need; rename it.")
    if split_path is None:
        pool.require_labels(2)
        return pool
    split = Split.read(split_path)
    missing = sorted({*split.pool, *split.test} - set(pool.labelled))
    if missing:
        problem = pool.left_out.get(missing[0], _no_image(missing[0], pool))
        raise PoolError(
            f"{len(missing)} images of {split_path} cannot be used in {data}; the first is {missing[0]}:"
            f" {problem}"
        )
    for names, what in ((split.pool, "pool"), (split.test, "test")):
        if pool.blank.issuperset(names):
            raise PoolError(
                f"None of the {len(names)} {what} images of {split_path} has a mask in {data} that marks any"
                " foreground, expected at least one; check that the masks hold 0/255 or class ids."
            )
    return pool


def _is_text(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _no_image(name: str, pool: Pool) -> str:
    """Why an image of a split is not among those with a mask."""
    if name in pool.ids:
        return "it has no mask of its name"
    stem = unicodedata.normalize("NFC", Path(name).with_suffix("").as_posix())
    alike = {unicodedata.normalize("NFC", known): known for known in pool.ids}
    if unicodedata.normalize("NFC", name) in alike:
        return (
            "the file is called so, but writes a letter with an accent by other signs (Unicode NFC or NFD);"
            " copy its name from the list of files"
        )
    found = next((known for known in pool.ids if Path(known).with_suffix("").as_posix() in (stem, name)), "")
    if found:
        return f"the file is called {found}, expected its name with the extension"
    return "there is no usable image with a mask of that name"
