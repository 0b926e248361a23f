"""The strips or tiles that the pixels of a TIFF lie in: whether all of them are there."""

import tifffile

from model.errors import ImageError

_JPEG = (6, 7, 33007, 34892)
"""Compressions whose decoder fills up with gray what is missing; all others tell of it."""
_LAST = b"\xff\xd9"
"""The last bytes of a JPEG."""


def check_parts(series: tifffile.TiffPageSeries, data: bytes, name: str) -> None:
    """Raise ImageError where parts of an image in the bytes `data` of a file were never written, or are cut
    off.

    A part of no bytes is read as black by the library. Programs for maps leave out parts without data so:
    black may not be what these would show, and as the image of a microscope it is a broken one.
    """
    pages = [page for page in series.pages if page is not None]
    counts = [  # where pixels lie in one piece, the library goes by where they begin
        count
        for page in pages
        for start, count in zip(page.dataoffsets, page.databytecounts, strict=False)
        if not (page.is_contiguous and start)
    ]
    if empty := counts.count(0):
        raise ImageError(
            f"{name}: {empty} of the {len(counts)} parts (strips or tiles) of the TIFF hold no pixels,"
            " expected all of them; copy the file again, or export it whole (by GDAL: -co SPARSE_OK=FALSE)."
        )
    for page in pages:
        if int(page.compression) in _JPEG and not all(
            _is_whole_jpeg(data[start : start + count], count)
            for start, count in zip(page.dataoffsets, page.databytecounts, strict=False)
        ):
            raise ImageError(
                f"{name}: the TIFF data is truncated or damaged (a part of its pixels is missing); copy or"
                " export the file again."
            )


def _is_whole_jpeg(part: bytes, count: int) -> bool:
    """Whether its end is there, or all of `count` bytes, and no zeros of an interrupted copy."""
    return part.rstrip(b"\0").endswith(_LAST) or (len(part) == count and not part.endswith(b"\0\0"))
