"""Label Studio's run-length code of brush masks:
RGBA pixels packed into bits, of which the alpha channel is the mask.

The code is that of `label_studio_sdk.converter.brush` (the tests compare the two), which takes 1.4 s to
decode a detailed mask of 2048 x 2048 pixels, because it takes the bits one at a time.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from itertools import repeat
from typing import Any

import numpy as np
import numpy.typing as npt

_WORD = 8
_SIZES = (3, 4, 8, 16)  # bits of the four kinds of run length
_HEADER_BITS = 32 + 5 + 4 * 4
_LONGEST = 1 << _SIZES[-1]
_PIXELS, _RUNS = 1 << 22, 1 << 17
"""Pixels and runs that are looked at together:
a detailed mask has millions of runs, and each takes a hundred bytes meanwhile."""


def encode(mask: npt.NDArray[np.bool_]) -> list[int]:
    """Encode a mask, bool (H, W), as the bytes that Label Studio draws, alpha 255 where it is true."""
    flat = mask.ravel()
    edges = [
        np.flatnonzero(flat[a + 1 : a + _PIXELS + 1] != flat[a : min(a + _PIXELS, flat.size - 1)]) + a + 1
        for a in range(0, flat.size - 1, _PIXELS)
    ]
    starts = np.concatenate([[0], *edges]).astype(np.int64)
    header = f"{flat.size * 4:032b}{_WORD - 1:05b}" + "".join(f"{size - 1:04b}" for size in _SIZES)
    encoded: list[int] = []
    bits = np.frombuffer(header.encode(), dtype=np.uint8) - np.uint8(ord("0"))
    for first in range(0, starts.size, _RUNS):
        some = starts[first : first + _RUNS + 1]
        lengths = (
            np.diff(some if first + _RUNS < starts.size else np.append(some, flat.size)) * 4
        )  # the four channels hold the same
        bits = np.concatenate([bits, _tokens(lengths, flat[some[: lengths.size]].astype(np.int64) * 255)])
        whole = bits.size - bits.size % 8
        encoded += np.packbits(bits[:whole]).tolist()
        bits = bits[whole:]
    return encoded + np.packbits(np.append(bits, np.zeros(8 - bits.size, dtype=np.uint8))).tolist()


def _tokens(lengths: npt.NDArray[np.int64], values: npt.NDArray[np.int64]) -> npt.NDArray[np.uint8]:
    """The bits of runs, 0 or 1 each. One token: 1 (a run), 2 bits of kind, the length - 1, the value."""
    lengths, values = _split(lengths, values)
    kind = np.searchsorted(
        [1 << size for size in _SIZES[:-1]], lengths
    )  # the shortest kind of length that holds it
    size = np.asarray(_SIZES)[kind]
    tokens = (((((1 << 2) | kind) << size) | (lengths - 1)) << _WORD) | values
    widths = 3 + size + _WORD
    offsets = np.cumsum(widths) - widths
    bits = np.zeros(int(widths.sum()), dtype=np.uint8)
    for position in range(int(widths.max(initial=0))):
        held = widths > position
        bits[offsets[held] + position] = (tokens[held] >> (widths[held] - 1 - position)) & 1
    return bits


def decode(rle: Sequence[int], size: tuple[int, int]) -> npt.NDArray[np.bool_]:
    """Decode the bytes of a brush mask of `size` = (height, width) pixels: bool (H, W).

    Alpha above half of its largest value counts, because masks drawn by hand have soft edges, and some
    programs write 0 and 1. Raises ValueError that says what is wrong with the code.
    """
    try:
        data = np.asarray(rle)
        if data.ndim != 1 or data.dtype.kind not in "iu" or data.min() < 0 or data.max() > 255:
            raise ValueError
        packed = data.astype(np.uint8)
    except (ValueError, TypeError, OverflowError):
        raise ValueError("expected a list of bytes") from None
    pixels = size[0] * size[1]
    if packed.size * 8 < _HEADER_BITS:
        raise ValueError(f"{packed.size} bytes are no brush mask")
    bits = (np.unpackbits(packed) + ord("0")).tobytes().decode()
    count = int(bits[:32], 2)
    if count != pixels * 4:
        raise ValueError(f"it holds {count // 4} pixels, expected {size[1]} x {size[0]} (width x height)")
    lengths, values = _runs(bits, count)
    ends = np.cumsum(lengths)
    # Of the values before position n, n // 4 are alpha: never more than one byte a pixel is held.
    alpha = np.repeat(values, ends // 4 - (ends - lengths) // 4)
    mask: npt.NDArray[np.bool_] = alpha > alpha.max() // 2
    return mask.reshape(size)


def _split(
    lengths: npt.NDArray[np.int64], values: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Runs longer than a length can say become several."""
    pieces = -(-lengths // _LONGEST)
    last = np.cumsum(pieces) - 1
    split = np.full(int(pieces.sum()), _LONGEST, dtype=np.int64)
    split[last] = lengths - (pieces - 1) * _LONGEST
    return split, np.repeat(values, pieces)


def _runs(bits: str, count: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.unsignedinteger[Any]]]:
    """Lengths and values of runs, `count` values in all."""
    word = int(bits[32:37], 2) + 1
    sizes = [int(bits[37 + 4 * kind : 41 + 4 * kind], 2) + 1 for kind in range(4)]
    lengths = array("q")
    values = array("B" if word <= 8 else "I")
    at, done = _HEADER_BITS, 0
    while done < count:
        start = at + 3 + sizes[int(bits[at + 1 : at + 3] or "0", 2)]
        if start > len(bits):
            raise ValueError(f"it ends after {done // 4} of {count // 4} pixels")
        length = int(bits[at + 3 : start], 2) + 1
        done += length
        repeated = bits[at] == "1"
        at = start + word * (1 if repeated else length)
        if done > count or at > len(bits):
            raise ValueError(f"it is damaged after {(done - length) // 4} of {count // 4} pixels")
        if repeated:
            lengths.append(length)
            values.append(int(bits[start:at], 2))
        else:
            lengths.extend(repeat(1, length))
            values.extend(int(bits[place : place + word], 2) for place in range(start, at, word))
    return np.asarray(lengths, dtype=np.int64), np.asarray(values)
