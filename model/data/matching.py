"""Which mask belongs to which image."""

from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from model.data.folders import EXTENSIONS, Files, parent_of, shorten


def match_masks(images: Files, masks: Files) -> tuple[dict[str, Path], list[tuple[str, str]]]:
    """The mask of each image by the image's stem, and (name, message) of each mask that belongs to none.

    A mask has the path of its image within the folder ("plate1/c3");
    where only one of the two lies in a sub-folder, the same name is enough if no other image and no other
    mask has it. The ".ome" of "a.ome.tif" does not count, unless another mask has the very name.
    """
    matched: dict[str, Path] = {}
    plain = {_plain(stem): stem for stem in images.by_stem}
    left: dict[str, list[str]] = defaultdict(list)
    for stem, path in sorted(masks.by_stem.items(), key=lambda item: item[0] not in images.by_stem):
        image = stem if stem in images.by_stem else plain.get(_plain(stem))
        if image is not None and image not in matched:
            matched[image] = path
        else:
            left[_base(stem)].append(stem)
    candidates: dict[str, list[str]] = defaultdict(list)
    for stem in images.by_stem:
        candidates[_base(stem)].append(stem)
    orphans = []
    for base, stems in left.items():
        found = [stem for stem in candidates[base] if stem not in matched]
        if len(found) == len(stems) == len(candidates[base]) == 1 and (
            not parent_of(stems[0]) or not parent_of(found[0])
        ):
            matched[found[0]] = masks.by_stem[stems[0]]
            continue
        for stem in stems:
            path, named = masks.by_stem[stem], PurePosixPath(stem)
            meant = named.with_suffix("").as_posix() if named.suffix.lower() in EXTENSIONS else ""
            if meant in matched:
                said = (
                    f"the image {meant!r} has the mask {matched[meant].name} already; remove one of the two."
                )
            elif meant in images.by_stem:
                said = f"no image is called {stem!r}; rename the mask to '{named.stem}{path.suffix}'."
            else:
                said = _no_image(stem, candidates[base], matched)
            orphans.append((masks.name(stem), f"{path}: {said}"))
    return matched, sorted(orphans)


def _no_image(stem: str, namesakes: list[str], matched: Mapping[str, Path]) -> str:
    """Why a mask belongs to no image, and what to do. `namesakes` are images of its name in any sub-folder,
    `matched` the masks of images."""
    if not namesakes:
        return f"no image is called {stem!r}; rename the mask like its image."
    taken = [each for each in namesakes if each in matched and parent_of(each) == parent_of(stem)]
    if taken:
        return f"the image {taken[0]!r} has the mask {matched[taken[0]].name} already; remove one of the two."
    listed = shorten([repr(name) for name in namesakes])
    return f"no image is called {stem!r}, but {listed}; put the mask into the same sub-folder as its image."


def _base(stem: str) -> str:
    return _plain(stem.rpartition("/")[2])


def _plain(stem: str) -> str:
    return stem.removesuffix(".ome")
