"""Names of files that people know their images by: safe on every system, and each once."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from pathlib import PurePosixPath

from model.data.folders import EXTENSIONS

LONGEST_STEM = 180
"""Bytes in UTF-8; file systems take 255, with an extension and what is added meanwhile."""
_FORBIDDEN = re.compile(r'[<>:"/\\|?*\x00-\x1f\x7f]')
"""Characters that Windows takes in no name; folders are cut off before."""
_DEVICES = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\.|$)", re.IGNORECASE)
"""Names that Windows keeps for devices."""


def safe_stem(name: str, otherwise: str) -> str:
    """The name of a file without its extension, as every system takes it; `otherwise` if nothing is left."""
    path = PurePosixPath(unicodedata.normalize("NFC", name))
    stem = path.stem if path.suffix.lower() in EXTENSIONS else path.name
    stem = _FORBIDDEN.sub("_", stem.encode(errors="replace").decode()).strip(" .")
    stem = stem.encode()[:LONGEST_STEM].decode(errors="ignore").strip(" .")
    if not stem:
        return otherwise
    return f"_{stem}" if _DEVICES.match(stem) else stem


def name_apart(
    wanted: Iterable[tuple[str, str]], known: Mapping[str, str] | None = None
) -> tuple[dict[str, str], list[str]]:
    """A stem for each key, and the keys whose name was taken: the first has it, the others add their key.

    wanted: (key, stem) in order. known: stems that were given earlier, which stay.
    Upper and lower case count as the same, as they do on Windows and on a Mac.
    """
    names = dict(known or {})
    taken = {stem.lower() for stem in names.values()}
    second = []
    for key, stem in wanted:
        if key in names:
            if names[key] != stem:
                second.append(key)
            continue
        name, number = stem, 1
        while name.lower() in taken:
            name = f"{stem}-{key}" if number == 1 else f"{stem}-{key}-{number}"
            number += 1
        if name != stem:
            second.append(key)
        taken.add(name.lower())
        names[key] = name
    return names, second
