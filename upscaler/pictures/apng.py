"""Frames in the file of an animated PNG: region, time, composition, and pixels as a PNG that is decoded alone.

Format: "Portable Network Graphics", third edition, W3C 2025, 11.3.6.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, groupby
from operator import itemgetter
from pathlib import Path
from typing import BinaryIO, NamedTuple

from upscaler.pictures.png_file import SIGNATURE, Chunk, PngError, data_of, heads
from upscaler.pictures.png_repair import repaired

BACKGROUND, PREVIOUS = 1, 2  # disposals: what becomes of the region after the frame's time
SOURCE, OVER = 0, 1  # blending: the frame replaces what is in the region, or is composited with it

_CONTROL = struct.Struct(">IIIIIHHBB")  # data of an fcTL
_NUMBER = 4  # bytes of the number with which fcTL and fdAT begin, by which they are in order
_HUNDREDTHS = 100  # the unit of a time that has none
_LONGEST = 768  # bytes of a palette; those of a transparency are fewer


class Box(NamedTuple):
    """Rectangle of pixels; right and bottom are outside."""

    left: int
    top: int
    right: int
    bottom: int

    def covers(self, other: "Box") -> bool:
        """Return True if another box is inside."""
        begins = self.left <= other.left and self.top <= other.top
        return begins and other.right <= self.right and other.bottom <= self.bottom


@dataclass(frozen=True, eq=False)
class Control:
    """Place, time and composition of a frame; no two are equal."""

    box: Box
    milliseconds: float
    disposal: int
    blending: int

    @property
    def region(self) -> tuple[slice, slice]:
        """Rows and columns of its box."""
        return slice(self.box.top, self.box.bottom), slice(self.box.left, self.box.right)


def shows_background(path: Path, size: tuple[int, int]) -> bool:
    """Return True if a frame leaves some of the transparent background in sight, though its own pixels are opaque.

    `size` is that of the picture, as stored. Raises PngError for frames that are out of order or outside the picture.
    """
    bare: Box | None = Box(0, 0, *size)
    with path.open("rb") as file:
        for control, _ in _frames(repaired(file) or file, size):
            if bare and not control.box.covers(bare):
                return True
            if control.disposal != PREVIOUS:
                bare = control.box if control.disposal == BACKGROUND else None
    return False


def frames_of(path: Path, size: tuple[int, int]) -> Iterator[tuple[Control, bytes]]:
    """Yield the frames of a file one by one, each with a PNG of its region alone.

    A still picture that is not of the animation comes before them. Raises PngError as `shows_background` does.
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
