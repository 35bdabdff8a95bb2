"""Animated PNGs of any regions, disposals and blendings, right or wrong."""

import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from support.odd_pictures import chunk

COLOUR_TYPES = {1: 0, 2: 4, 3: 2, 4: 6}  # by channels
NONE, BACKGROUND, PREVIOUS = range(3)
SOURCE, OVER = range(2)


@dataclass(frozen=True)
class Drawing:
    """A frame: its pixels, HWC of 8 or 16 bits, where they are, and what is done with them."""

    pixels: NDArray[np.uint8] | NDArray[np.uint16]
    left: int = 0
    top: int = 0
    disposal: int = NONE
    blending: int = SOURCE
    time: tuple[int, int] = (1, 10)


def apng(
    size: tuple[int, int],
    drawings: Sequence[Drawing],
    *before: bytes,
    still: Drawing | None = None,
    colour_type: int | None = None,
    declared: int | None = None,
    skipped: int | None = None,
) -> bytes:
    """Return an APNG with chunks `before` its pixels; a sequence number is left out at the frame `skipped`."""
    pixels = drawings[0].pixels
    colour_type = COLOUR_TYPES[pixels.shape[2]] if colour_type is None else colour_type
    header = struct.pack(">IIBBBBB", *size, 8 * pixels.itemsize, colour_type, 0, 0, 0)
    parts = [chunk(b"IHDR", header), chunk(b"acTL", struct.pack(">II", declared or len(drawings), 0)), *before]
    if still:
        parts.append(chunk(b"IDAT", _packed(still)))
    number = 0
    for n, drawing in enumerate(drawings):
        number += n == skipped
        height, width, _ = drawing.pixels.shape
        place = struct.pack(">IIIII", number, width, height, drawing.left, drawing.top)
        parts.append(chunk(b"fcTL", place + struct.pack(">HHBB", *drawing.time, drawing.disposal, drawing.blending)))
        number += 1
        data = _packed(drawing)
        if n == 0 and not still:
            parts.append(chunk(b"IDAT", data))
            continue
        for piece in (data[:5], data[5:]):
            parts.append(chunk(b"fdAT", struct.pack(">I", number) + piece))
            number += 1
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts) + chunk(b"IEND", b"")


def _packed(drawing: Drawing) -> bytes:
    rows = drawing.pixels.astype(drawing.pixels.dtype.newbyteorder(">"))
    return zlib.compress(b"".join(b"\0" + row.tobytes() for row in rows))
