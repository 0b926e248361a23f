"""The pool: a folder of images, some of them labelled by a mask of the same name, read lazily and kept within a memory budget."""

import unicodedata
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from model.arrays import Array
from model.byte_cache import ByteCache
from model.digests import digest
from model.errors import ImageError, MaskError, PoolError, TooFewLabelsError
from model.images import EXTENSIONS, decode_raw, normalise, read_bytes, read_raw, shrink, working_size
from model.machine import usable_cores
from model.masks import (
    check_values,
    class_ids,
    id_warnings,
    infer_classes,
    mask_warnings,
    present_values,
    read_mask,
    read_values,
    resize_mask,
)

CACHE_BYTES = 2 * 1024**3
"""Bytes of decoded images and masks kept in memory, 2 GiB: about 680 images of 512 x 512; the least recently used go first."""
SCAN_THREADS = 8
"""Files read at once during a scan, at most; decoders release the interpreter lock."""

Size = tuple[int, int]
Note = tuple[str, str]


@dataclass(frozen=True)
class Pool:
    """Images and masks by image id, which is the file name ("set01.png"); arrays are at working resolution and read-only when scanned.

    `scan` builds it from folders; tests and services may build it from dictionaries of arrays.
    """

    ids: tuple[str, ...]
    """All usable images, ascending."""
    labelled: tuple[str, ...]
    """Those with a usable mask, ascending."""
    classes: int
    """Number of classes, background included."""
    images: Mapping[str, Array]
    """Image id to float32 (H, W, 3), normalised. Raises ImageError if the file is gone or has changed since the scan."""
    labels: Mapping[str, Array]
    """Labelled image id to class ids, uint8 (H, W), of the same height and width as the image. Raises MaskError likewise."""
    digests: Mapping[str, str] | None = None
    """Image id to a digest of the file's bytes at the scan; None when built from arrays."""
    sizes: Mapping[str, Size] = field(default_factory=dict)
    """Image id to (height, width) of the file as displayed; empty when built from arrays."""
    problems: tuple[Note, ...] = ()
    """(file name, message) of every file that was left out."""
    warnings: tuple[Note, ...] = ()
    """(name, message) of masks that are used, but look odd (nothing or everything marked, a class id like a slip of the pen), and
    of folders that hold files of other kinds."""
    blank: frozenset[str] = frozenset()
    """Labelled image ids whose mask marks nothing."""

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
        """Raise TooFewLabelsError unless at least `minimum` images are labelled and one of their masks marks something."""
        if len(self.labelled) < minimum:
            broken = f" ({len(self.problems)} files were left out, see the problems listed)" if self.problems else ""
            raise TooFewLabelsError(
                f"found {len(self.labelled)} labelled images of {len(self.ids)}{broken}, expected at least {minimum}; "
                f"label {minimum - len(self.labelled)} more, as masks named like their images."
            )
        if self.labelled and self.blank >= set(self.labelled):
            raise TooFewLabelsError(
                f"none of the {len(self.labelled)} masks marks any foreground, expected at least one that does; "
                "label an image that shows the objects, and check that masks hold 0/255 or class ids."
            )


def scan(
    images_dir: str | Path,
    masks_dir: str | Path | None = None,
    *,
    classes: int | None = None,
    max_side: int | None = None,
    cache_bytes: int = CACHE_BYTES,
    on_file: Callable[[int, int], None] | None = None,
) -> Pool:
    """Read every image once, and its mask if there is one of the same stem, and build the Pool of those that are usable.

    Sub-folders and hidden files are ignored, files of other kinds named in `Pool.warnings`. An unusable file is noted in `Pool.problems`
    and stops nothing; an image with an unusable mask is left out as a whole. `classes`: inferred from the masks if None (2 without masks).
    `max_side` in pixels: see `images.working_size`. `on_file(done, total)` is called in this thread after each image; what it raises ends
    the scan.
    Raises PoolError if a folder is missing, holds no images, or holds a name twice, or if no image at all is usable.
    """
    if classes is not None and not 2 <= classes <= 256:
        raise PoolError(f"classes is {classes}, expected 2 (background and foreground) to 256; leave it out to read it from the masks.")
    working_size((1, 1), max_side)
    image_paths, mask_paths = _both_folders(Path(images_dir), Path(masks_dir) if masks_dir is not None else None)
    cache = ByteCache(cache_bytes)

    def examine(stem: str) -> "_Examined":
        return _examine(image_paths[stem], mask_paths.get(stem), max_side, classes, cache)

    examined: list[_Examined] = []
    with ThreadPoolExecutor(min(SCAN_THREADS, usable_cores())) as executor:
        try:
            for result in executor.map(examine, image_paths):
                examined.append(result)
                if on_file:
                    on_file(len(examined), len(image_paths))
        except BaseException:  # Ctrl-C, or a cancel raised by on_file: do not read the other thousands first
            executor.shutdown(wait=False, cancel_futures=True)
            raise
    found = {str(result.mask_path): result.found for result in examined if result.problem is None and result.found is not None}
    odd_ids: list[Note] = []
    if classes is None:
        classes = infer_classes(found.values())
        odd_ids = [(Path(mask).name, f"{mask}: {text}") for mask, text in id_warnings(found, classes)]
    for result in examined:
        result.check(classes)
    usable = {result.path.name: result for result in examined if result.problem is None}
    problems = [result.problem for result in examined if result.problem is not None]
    if not usable:
        raise PoolError(f"{images_dir}: none of the {len(examined)} images is usable; the first problem: {problems[0][1]}")
    odd_ids += _passed_over(Path(images_dir), *([Path(masks_dir)] if masks_dir is not None else []))
    orphans = sorted(mask_paths.keys() - image_paths.keys())
    problems += [(mask_paths[s].name, f"{mask_paths[s]}: no image is called {s!r}; rename the mask like its image.") for s in orphans]
    return _assemble(usable, classes, max_side, cache, problems, odd_ids)


def _passed_over(*folders: Path) -> list[Note]:
    """One note for each folder that holds files of other kinds, hidden ones apart."""
    notes = []
    for folder in folders:
        others = sorted(p.name for p in folder.iterdir() if p.suffix.lower() not in EXTENSIONS and p.name[0] != "." and not p.is_dir())
        if others:
            listed = ", ".join(others[:3]) + (f" and {len(others) - 3} more" if len(others) > 3 else "")
            notes.append((folder.name, f"{folder}: passed over {listed}; only files ending in {', '.join(EXTENSIONS)} are read."))
    return notes


class _Lazy(Mapping[str, Array]):
    """A read-only mapping whose values are loaded when asked for and shared through a ByteCache."""

    def __init__(self, kind: str, keys: tuple[str, ...], load: Callable[[str], Array], cache: ByteCache) -> None:
        self._kind, self._keys, self._load, self._cache = kind, dict.fromkeys(keys), load, cache

    def __getitem__(self, key: str) -> Array:
        if key not in self._keys:
            raise KeyError(f"{key!r} is not among the {len(self._keys)} {self._kind} of this pool")
        array = self._cache.get((self._kind, key))
        return self._cache.put((self._kind, key), self._load(key)) if array is None else array

    def __contains__(self, key: object) -> bool:
        return key in self._keys

    def __iter__(self) -> Iterator[str]:
        return iter(self._keys)

    def __len__(self) -> int:
        return len(self._keys)


@dataclass
class _Examined:
    """What the scan remembers of one image: not its pixels."""

    path: Path
    mask_path: Path | None
    digest: str = ""
    """Of the bytes of the image file."""
    size: Size = (0, 0)
    found: Array | None = None
    """The different numbers in the mask, 1-D; None without a usable mask."""
    problem: Note | None = None

    def check(self, classes: int) -> None:
        """Note a problem if the mask's values do not fit the number of classes."""
        if self.problem is None and self.found is not None and self.mask_path is not None:
            try:
                check_values(self.found, classes, name=str(self.mask_path))
            except MaskError as error:
                self.problem = (self.mask_path.name, _left_out(error, self.path))


def _examine(path: Path, mask_path: Path | None, max_side: int | None, classes: int | None, cache: ByteCache) -> _Examined:
    result = _Examined(path, mask_path)
    try:
        content = read_bytes(path)
        result.digest = digest(content)
        raw = decode_raw(content, str(path))
        result.size = (raw.shape[0], raw.shape[1])
        cache.put(("images", path.name), normalise(shrink(raw, max_side), name=str(path)))
        if mask_path is not None:
            result.found = present_values(read_values(mask_path, shape=result.size))
            check_values(result.found, classes, name=str(mask_path))
    except ImageError as error:
        result.problem = (path.name, str(error))
    except MaskError as error:
        assert mask_path is not None
        result.problem = (mask_path.name, _left_out(error, path))
    return result


def _left_out(error: MaskError, path: Path) -> str:
    return f"{error} The image {path.name} is left out until then."


def _assemble(
    usable: dict[str, _Examined], classes: int, max_side: int | None, cache: ByteCache, problems: list[Note], odd_ids: list[Note]
) -> Pool:
    ids = tuple(sorted(usable))
    labelled = tuple(name for name in ids if usable[name].found is not None)

    def image(name: str) -> Array:
        result = usable[name]
        raw = read_raw(result.path)
        if raw.shape[:2] != result.size:
            raise ImageError(f"{result.path}: found {raw.shape[:2]} (height, width), but {result.size} at the scan; start again.")
        return normalise(shrink(raw, max_side), name=str(result.path))

    def label(name: str) -> Array:
        result = usable[name]
        assert result.mask_path is not None
        mask = read_mask(result.mask_path, shape=result.size, classes=classes)
        return resize_mask(mask, working_size(result.size, max_side))

    odd = odd_ids.copy()
    blank: set[str] = set()
    for name in labelled:
        result = usable[name]
        assert result.found is not None
        assert result.mask_path is not None
        odd += [(result.mask_path.name, f"{result.mask_path}: {text}.") for text in mask_warnings(class_ids(result.found, classes))]
        if not result.found.any():
            blank.add(name)
    return Pool(
        ids=ids,
        labelled=labelled,
        classes=classes,
        images=_Lazy("images", ids, image, cache),
        labels=_Lazy("labels", labelled, label, cache),
        digests={name: usable[name].digest for name in ids},
        sizes={name: usable[name].size for name in ids},
        problems=tuple(sorted(problems)),
        warnings=tuple(odd),
        blank=frozenset(blank),
    )


def _both_folders(images_dir: Path, masks_dir: Path | None) -> tuple[dict[str, Path], dict[str, Path]]:
    images = files_by_stem(images_dir, "images")
    if not images:
        raise PoolError(f"{images_dir}: no images found, expected files ending in {', '.join(EXTENSIONS)}; check the folder.")
    if masks_dir is None:
        return images, {}
    masks = files_by_stem(masks_dir, "masks")
    if images_dir.resolve() == masks_dir.resolve():
        raise PoolError(f"{images_dir}: given for images and for masks, expected two folders; move the masks to one of their own.")
    return images, masks


def files_by_stem(folder: Path, what: str) -> dict[str, Path]:
    """Image files of a folder by stem, ascending by file name; links that lead nowhere too, so that whoever reads them says so.

    Raises PoolError if the folder is missing or holds a name twice.
    """
    if not folder.is_dir():
        raise PoolError(f"{folder}: no such folder, expected {what} ({', '.join(EXTENSIONS)}); check the path.")
    found: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        if path.name.startswith(".") or path.suffix.lower() not in EXTENSIONS or path.is_dir():
            continue
        stem = unicodedata.normalize("NFC", path.stem)  # a Mac may write "ö" as two signs
        if stem in found:
            raise PoolError(f"{folder}: {found[stem].name} and {path.name} share a name, expected one file each; rename or remove one.")
        found[stem] = path
    return found
