"""PNG files: whether the pixels are those that were saved."""

import zlib

_SIGNATURE = 8
"""Bytes before the first chunk."""
_FRAME = 12
"""Bytes of a chunk beside its content: length, kind, checksum."""


def check_pixels(data: bytes) -> None:
    """Raise ValueError where the checksum of a chunk of pixels is wrong.

    Pillow does not look at it, and reads a file whose end an interrupted copy has left at zero, or in which a
    bit has flipped, with pixels that nobody has drawn.
    """
    at, view = _SIGNATURE, memoryview(data)
    while at + _FRAME <= len(data):
        kind, end = data[at + 4 : at + 8], at + 8 + int.from_bytes(data[at : at + 4], "big")
        if kind == b"IEND":
            return
        pixels = kind == b"IDAT" or not kind.isalpha()  # what has no name may have been some
        if pixels and zlib.crc32(view[at + 4 : end]) != int.from_bytes(data[end : end + 4], "big"):
            raise ValueError("the checksum of the pixels is wrong")
        at = end + 4
