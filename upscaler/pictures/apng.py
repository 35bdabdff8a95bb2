"""Frames in the file of an animated PNG: their controls, and their pixels as PNGs that are decoded alone.

Format: "Portable Network Graphics", third edition, W3C 2025, 11.3.6.
"""

import struct
from collections.abc import Iterator
from itertools import chain, groupby
from operator import itemgetter
from pathlib import Path
from typing import BinaryIO

from upscaler.pictures.animation import BACKGROUND, SOURCE, Box, Control
from upscaler.pictures.png_file import SIGNATURE, Chunk, PngError, data_of, heads
from upscaler.pictures.png_repair import repaired

_CONTROL = struct.Struct(">IIIIIHHBB")  # data of an fcTL
_NUMBER = 4  # bytes of the number with which fcTL and fdAT begin, by which they are in order
_HUNDREDTHS = 100  # the unit of a time that has none
_LONGEST = 768  # bytes of a palette; those of a transparency are fewer


def controls_of(path: Path, size: tuple[int, int]) -> Iterator[Control]:
    """Yield the frames of a file one by one. size: that of the picture, as stored.

    Raises PngError for frames that are out of order or outside the picture.
    """
    with path.open("rb") as file:
        for control, _ in _frames(repaired(file) or file, size):
            yield control


def frames_of(path: Path, size: tuple[int, int]) -> Iterator[tuple[Control, bytes]]:
    """Yield the frames of a file one by one, each with a PNG of its region alone.

    A still picture that is not of the animation comes before them. Raises PngError as `controls_of` does.
    """
    with path.open("rb") as opened:
        file = repaired(opened) or opened
        start = _start(file)
        for control, places in _frames(file, size):
            left, top, right, bottom = control.box
            start[b"IHDR"] = struct.pack(">II", right - left, bottom - top) + start[b"IHDR"][8:]
            before = [Chunk(kind, data) for kind, data in start.items()]
            pixels = (Chunk(b"IDAT", _read(file, place)) for _, place in places)
            chunks = chain(before, pixels, [Chunk(b"IEND", b"")])
            yield control, SIGNATURE + b"".join(chunk.written for chunk in chunks)


def _start(file: BinaryIO) -> dict[bytes, bytes]:
    """Return the data of the chunks before the pixels on which their decoding depends: the last of each kind."""
    found = {}
    for head in heads(file):
        if head.kind in (b"IDAT", b"fdAT"):
            break
        if head.kind in (b"IHDR", b"PLTE", b"tRNS"):
            found[head.kind] = data_of(file, head)[:_LONGEST]
    return found


def _frames(file: BinaryIO, size: tuple[int, int]) -> Iterator[tuple[Control, Iterator[tuple[Control, range]]]]:
    """Yield each frame's control, and with it again where compressed pixels of the frame are."""
    return groupby(_pixels(file, size), key=itemgetter(0))


def _pixels(file: BinaryIO, size: tuple[int, int]) -> Iterator[tuple[Control, range]]:
    """Yield where compressed pixels are, with the control of their frame."""
    # The animation begins without the still picture, as if that were disposed of
    control, expected = Control(Box(0, 0, *size), 0.0, BACKGROUND, SOURCE), 0
    for head in heads(file):
        if head.kind in (b"fcTL", b"fdAT"):
            if int.from_bytes(_read(file, range(head.place + 8, head.place + 8 + _NUMBER)), "big") != expected:
                raise PngError("its frames are out of order")
            expected += 1
        if head.kind == b"fcTL":
            control = _control(data_of(file, head), size)
        elif head.kind in (b"IDAT", b"fdAT"):
            yield control, range(head.place + 8 + (_NUMBER if head.kind == b"fdAT" else 0), head.end - 4)


def _read(file: BinaryIO, place: range) -> bytes:
    file.seek(place.start)
    return file.read(len(place))


def _control(data: bytes, size: tuple[int, int]) -> Control:
    if len(data) != _CONTROL.size:
        raise PngError("a frame has no size")
    _, width, height, left, top, time, units, disposal, blending = _CONTROL.unpack(data)
    box = Box(left, top, left + width, top + height)
    if not (width and height and Box(0, 0, *size).covers(box)):
        raise PngError("a frame is outside the picture")
    return Control(box, time / (units or _HUNDREDTHS) * 1000, disposal, blending)
