"""The pool:
a folder of images, some of them labelled by a mask of the same name, read lazily and kept within a memory
budget."""

from collections.abc import Callable, Mapping
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from model.arrays import Array
from model.data.examination import Note, Pair, Size, assumed_notes, turned_notes
from model.data.folder_notes import mask_like_notes, output_notes, passed_over_notes, subfolder_notes
from model.data.folders import Files, find_both, shorten
from model.data.images.pixels import normalise, shrink, working_size
from model.data.images.reading import read_raw
from model.data.lazy_arrays import LazyArrays
from model.data.lru_cache import ByteCache
from model.data.mask_warnings import (
    blurred_notes,
    id_warnings,
    mask_warnings,
    share_warnings,
    thin_warnings,
    void_warnings,
)
from model.data.masks.class_ids import resize_mask
from model.data.masks.coding import ALL, PLAIN, Coding, MaskOptions, as_stated
from model.data.masks.decision import decide
from model.data.masks.files import read_stored
from model.data.masks.small_objects import Losses, count_losses
from model.data.matching import match_masks
from model.errors import ImageError, PoolError, TooFewLabelsError
from model.machine import usable_cores

CACHE_BYTES = 2 * 1024**3
"""Bytes of decoded images and masks kept in memory, 2 GiB: about 680 images of 512 x 512;
the least recently used go first."""
SCAN_THREADS = 8
"""Files read at once during a scan, at most; decoders release the interpreter lock."""
LOOKED_AT = 64
"""Masks of several numbers that are looked at closely, where these lie; the others are like them."""
SHRUNK = 16
"""Masks that are shrunk to see what of them is lost, which takes up to a second each."""


@dataclass(frozen=True)
class Pool:
    """Images and masks by image id, which is the file's path within its folder ("set01.png",
    "plate1/set01.png").

    Arrays are at working resolution and read-only when scanned.

    `scan` builds it from folders; tests and services may build it from dictionaries of arrays.
    """

    ids: tuple[str, ...]
    """All usable images, ascending."""
    labelled: tuple[str, ...]
    """Those with a usable mask, ascending."""
    classes: int
    """Number of classes, background included."""
    images: Mapping[str, Array]
    """Image id to float32 (H, W, 3), normalised.
    Raises ImageError if the file is gone or has changed since the scan."""
    labels: Mapping[str, Array]
    """Labelled image id to class ids, uint8 (H, W), of the same height and width as the image.
    Raises MaskError likewise."""
    digests: Mapping[str, str] | None = None
    """Image id to a digest of the file's bytes at the scan; None when built from arrays."""
    sizes: Mapping[str, Size] = field(default_factory=dict)
    """Image id to (height, width) of the file as displayed; empty when built from arrays."""
    problems: tuple[Note, ...] = ()
    """(file name, message) of every file that was left out."""
    warnings: tuple[Note, ...] = ()
    """(name, message) of masks that are used, but look odd (nothing or everything marked, a class id like a
    slip of the pen), and of folders that hold files of other kinds."""
    blank: frozenset[str] = frozenset()
    """Labelled image ids whose mask marks nothing."""
    notes: tuple[str, ...] = ()
    """What was taken for granted in reading the files, a sentence or two each."""
    reading: Mapping[str, Any] = field(default_factory=dict)
    """How the numbers of the masks were read where they are not class ids, JSON-ready;
    see `mask_coding.Coding.describe`."""
    image_paths: Mapping[str, Path] = field(default_factory=dict)
    """Image id to its file; empty when built from arrays."""
    mask_paths: Mapping[str, Path] = field(default_factory=dict)
    """Labelled image id to the file of its mask; empty when built from arrays."""
    losses: Losses = field(default_factory=Losses)
    """Which objects of the masks the working size loses."""
    left_out: Mapping[str, str] = field(default_factory=dict)
    """Id of each image that is not usable to why, be it for its mask."""

    @property
    def unlabelled(self) -> tuple[str, ...]:
        """Usable image ids without a mask, ascending."""
        known = set(self.labelled)
        return tuple(name for name in self.ids if name not in known)

    def original_size(self, image_id: str) -> Size:
        """Tell (height, width) in pixels of the image file as displayed, before shrinking."""
        if image_id in self.sizes:
            return self.sizes[image_id]
        height, width = self.images[image_id].shape[:2]
        return height, width

    def require_labels(self, minimum: int) -> None:
        """Raise TooFewLabelsError unless at least `minimum` images are labelled and one of their masks marks
        something."""
        if len(self.labelled) < minimum:
            broken = (
                f" ({len(self.problems)} files were left out, see the problems listed)"
                if self.problems
                else ""
            )
            raise TooFewLabelsError(
                f"found {len(self.labelled)} labelled images of {len(self.ids)}{broken}, expected at least"
                f" {minimum}; label {minimum - len(self.labelled)} more, as masks named like their images."
            )
        if self.labelled and self.blank >= set(self.labelled):
            raise TooFewLabelsError(
                f"none of the {len(self.labelled)} masks marks any foreground, expected at least one that"
                " does; label an image that shows the objects, and check that masks hold 0/255 or class ids."
            )


def scan(
    images_dir: str | Path,
    masks_dir: str | Path | None = None,
    *,
    classes: int | None = None,
    mask_options: MaskOptions = PLAIN,
    max_side: int | None = None,
    subfolders: bool = True,
    cache_bytes: int = CACHE_BYTES,
    on_file: Callable[[int, int], None] | None = None,
) -> Pool:
    """Read every image once, and its mask if there is one of the same name, and build the Pool of those that
    are usable.

    Sub-folders are read as well, hidden files ignored, files of other kinds named in `Pool.warnings`.
    An unusable file is noted in `Pool.problems` and stops nothing;
    an image with an unusable mask is left out as a whole. `classes`:
    inferred from the masks if None (2 without masks). `max_side` in pixels: see `images.working_size`.
    `on_file(done, total)` is called in this thread after each image; what it raises ends the scan.
    Raises PoolError if a folder is missing, holds no images, or holds a name twice, or if no image at all is
    usable.
    """
    if classes is not None and not 2 <= classes <= 256:
        raise PoolError(
            f"classes is {classes}, expected 2 (background and foreground) to 256; leave it out to read it"
            " from the masks."
        )
    working_size((1, 1), max_side)
    images, masks = find_both(
        Path(images_dir), Path(masks_dir) if masks_dir is not None else None, subfolders=subfolders
    )
    pairs, orphans = _pairs(images, masks)
    _check_names(mask_options, pairs)
    classes, mask_options, stated = as_stated(masks.folder if masks else None, classes, mask_options)
    cache = ByteCache(cache_bytes)
    with ThreadPoolExecutor(min(SCAN_THREADS, usable_cores())) as executor:
        try:
            examined = executor.map(lambda pair: pair.examine(max_side, cache), pairs)
            for done, _ in enumerate(examined, start=1):
                if on_file:
                    on_file(done, len(pairs))
            several = [pair for pair in pairs if pair.content is not None and pair.content.is_worth_a_look]
            list(executor.map(Pair.look_closely, several[:LOOKED_AT]))
        except BaseException:  # Ctrl-C, or a cancel raised by on_file: do not read the other thousands first
            executor.shutdown(wait=False, cancel_futures=True)
            raise
        contents = {pair.mask_name: pair.content for pair in pairs if pair.content is not None}
        coding, notes, refused = decide(contents, classes, mask_options)
        for pair in pairs:
            if pair.mask_name in refused:
                pair.refuse(refused[pair.mask_name])
        usable = {pair.image_id: pair for pair in pairs if pair.problem is None}
        problems = [pair.problem for pair in pairs if pair.problem is not None]
        if not usable:
            raise PoolError(
                f"{images_dir}: none of the {len(pairs)} images is usable; the first problem:"
                f" {problems[0][1]}"
            )
        return _assemble(
            _Scanned(usable, coding, mask_options, max_side, cache),
            left_out={pair.image_id: pair.problem[1] for pair in pairs if pair.problem is not None},
            problems=[*problems, *orphans, *images.problems, *(masks.problems if masks else [])],
            warnings=_of_masks(usable, coding, mask_options, classes)
            + passed_over_notes(images, masks)
            + mask_like_notes(
                images, "move them into a folder of their own, named like their images, and give it as masks"
            ),
            notes=[
                *output_notes(images, masks),
                *subfolder_notes(images),
                *assumed_notes({name: pair.assumed for name, pair in usable.items()}),
                *turned_notes(usable.values()),
                *_blurred(usable),
                *stated,
                *notes,
            ],
            executor=executor,
        )


def _pairs(images: Files, masks: Files | None) -> tuple[list[Pair], list[Note]]:
    """All images with their masks, and the masks that belong to none."""
    matched, orphans = match_masks(images, masks) if masks else ({}, [])
    pairs = [Pair(images.name(stem), path) for stem, path in images.by_stem.items()]
    for pair, stem in zip(pairs, images.by_stem, strict=True):
        if masks and stem in matched:
            pair.mask_path = matched[stem]
            pair.mask_name = pair.mask_path.relative_to(masks.folder).as_posix()
    return pairs, orphans


def _check_names(options: MaskOptions, pairs: list[Pair]) -> None:
    names = {pair.mask_name for pair in pairs if pair.mask_name}
    if unknown := options.unknown(names):
        raise PoolError(
            f"--invert-masks {unknown[0]}: no such mask of an image; expected {ALL!r}, or one of"
            f" {shorten(sorted(names))}."
        )


@dataclass
class _Scanned:
    """What arrays are loaded from."""

    usable: dict[str, Pair]
    coding: Coding
    options: MaskOptions
    max_side: int | None
    cache: ByteCache

    def image(self, image_id: str) -> Array:
        pair = self.usable[image_id]
        raw = read_raw(pair.path)
        if raw.shape[:2] != pair.size:
            raise ImageError(
                f"{pair.path}: found {raw.shape[:2]} (height, width), but {pair.size} at the scan; start"
                " again."
            )
        return normalise(shrink(raw, self.max_side), name=str(pair.path))

    def whole_label(self, image_id: str) -> Array:
        """Class ids at full size."""
        pair = self.usable[image_id]
        assert pair.mask_path is not None
        values = read_stored(pair.mask_path, shape=pair.size).values
        return self.coding.ids(
            values, inverted=self.options.inverts(pair.mask_name), name=str(pair.mask_path)
        )

    def label(self, image_id: str) -> Array:
        return resize_mask(
            self.whole_label(image_id), working_size(self.usable[image_id].size, self.max_side)
        )

    def losses(self, labelled: tuple[str, ...], executor: Executor) -> Losses:
        """What the working size loses of the first SHRUNK masks of large images."""
        total, side = Losses(), self.max_side
        if side is not None:
            larger = [i for i in labelled if working_size(self.usable[i].size, side) != self.usable[i].size]
            for losses in executor.map(
                lambda image_id: count_losses(self.whole_label(image_id), side), larger[:SHRUNK]
            ):
                total.add(losses)
        return total


def _assemble(
    scanned: _Scanned,
    *,
    left_out: dict[str, str],
    problems: list[Note],
    warnings: list[Note],
    notes: list[str],
    executor: Executor,
) -> Pool:
    usable, coding, options = scanned.usable, scanned.coding, scanned.options
    ids = tuple(sorted(usable))
    labelled = tuple(image_id for image_id in ids if usable[image_id].content is not None)
    blank = set()
    for image_id in labelled:
        pair = usable[image_id]
        assert pair.content is not None
        found = coding.ids_of_numbers(
            pair.content.numbers,
            pair.content.areas,
            inverted=options.inverts(pair.mask_name),
            name=pair.mask_name,
        )
        if not found.any():
            blank.add(image_id)
            warnings.append((pair.mask_name, f"{pair.mask_path}: {mask_warnings(found)[0]}."))
    return Pool(
        ids=ids,
        labelled=labelled,
        classes=coding.classes,
        images=LazyArrays("images", ids, scanned.image, scanned.cache),
        labels=LazyArrays("labels", labelled, scanned.label, scanned.cache),
        digests={image_id: usable[image_id].digest for image_id in ids},
        sizes={image_id: usable[image_id].size for image_id in ids},
        problems=tuple(sorted(problems)),
        warnings=tuple(warnings),
        blank=frozenset(blank),
        notes=tuple(notes),
        reading=coding.describe() | ({"inverted": sorted(options.inverted)} if options.inverted else {}),
        image_paths={image_id: usable[image_id].path for image_id in ids},
        mask_paths={
            image_id: path for image_id in labelled if (path := usable[image_id].mask_path) is not None
        },
        losses=scanned.losses(labelled, executor),
        left_out=left_out,
    )


def _of_masks(
    usable: dict[str, Pair], coding: Coding, options: MaskOptions, classes: int | None
) -> list[Note]:
    """What looks odd in the numbers of the masks that are used."""
    contents = {pair.mask_name: pair.content for pair in usable.values() if pair.content is not None}
    odd = [("masks", text) for text in share_warnings(contents, coding, options)]
    odd += [("masks", text) for text in void_warnings(contents, coding, options)]
    if not coding.objects:
        odd += [("masks", text) for text in thin_warnings(contents)]
    if classes is None and not coding.objects:
        found = {
            name: coding.plain(content.numbers, options.inverts(name)) for name, content in contents.items()
        }
        odd += [(name, f"{name}: {text}") for name, text in id_warnings(found, coding.classes)]
    return odd


def _blurred(usable: dict[str, Pair]) -> list[str]:
    """Of which masks black and white was made."""
    return blurred_notes(
        {pair.mask_name: pair.content for pair in usable.values() if pair.content is not None}
    )
