"""The blocks of a GIF: bounds on them before Pillow allocates its first frame, and its frames, each as a GIF alone.

Format: "Graphics Interchange Format", version 89a, CompuServe 1990. As in browsers, what a frame uncovers that is
disposed of, or leaves bare, is transparent, and not of the background colour.
"""

import struct
from collections.abc import Iterator
from typing import NamedTuple

from upscaler.errors import LimitError
from upscaler.limits import Limits, check_frame_limit
from upscaler.pictures.animation import BACKGROUND, OVER, PREVIOUS, Box, Control
from upscaler.pictures.content import Content, check_size

_HEADER = 13
_EXTENSION, _FRAME, _END = b"!,;"
_CONTROL, _INTERLACED = b"\xf9\x04", 0x40
_DISPOSALS = {2: BACKGROUND, 3: PREVIOUS, 4: PREVIOUS}  # 4 is what some writers put for 3
_HUNDREDTH = 10.0  # milliseconds
_RAMP = bytes(level for gray in range(256) for level in (gray,) * 3)  # palette of a gray picture
_COMMENT, _LONGEST_COMMENTS = b"\xfe", 1_000_000  # bytes; Pillow takes quadratic time for comments


def check_gif(content: Content, name: str, limits: Limits) -> None:
    """Raise LimitError if one has too many pixels, frames or comments, or a frame outside its screen."""
    if len(content) < _HEADER:
        return
    screen, frames, comments = struct.unpack_from("<HH", content, 6), 0, 0
    check_size(screen, name, limits)
    for kind, place, end in _blocks(content):
        if kind == _EXTENSION:
            comments += (end - place) * (content[place : place + 1] == _COMMENT)
            if comments > _LONGEST_COMMENTS:
                raise LimitError(f"{name} has more than 1 MB of comments; export it without them")
        elif kind == _FRAME and place + 9 <= len(content):
            left, top, width, height = struct.unpack_from("<HHHH", content, place)
            if left + width > screen[0] or top + height > screen[1]:
                raise LimitError(
                    f"{name} is a GIF of {screen[0]}x{screen[1]} pixels with a frame outside them; export it again"
                )
            frames += 1
            check_frame_limit(frames, name, limits.frames)


class GifError(ValueError):
    """A GIF with a frame that cannot be drawn."""


class GifFrame(NamedTuple):
    """A frame: place, time and composition, the palette, the transparent index or -1, and where its pixels are."""

    control: Control
    palette: bytes
    transparent: int
    interlaced: int
    data: slice

    @property
    def gray(self) -> bool:
        """True if it has no colours, as Pillow tells it."""
        return _RAMP.startswith(self.palette)

    def alone(self, content: Content) -> bytes:
        """Return a GIF of this frame."""
        left, top, right, bottom = self.control.box
        size = struct.pack("<HH", right - left, bottom - top)
        flags = 0x80 | (len(self.palette) // 3).bit_length() - 2 if self.palette else 0
        start = b"GIF89a" + size + bytes([flags, 0, 0]) + self.palette
        if self.transparent >= 0:
            start += b"!" + _CONTROL + bytes([1, 0, 0, self.transparent, 0])
        return start + b"," + bytes(4) + size + bytes([self.interlaced]) + content[self.data] + b";"


def frames_of(content: Content) -> Iterator[GifFrame]:
    """Yield the frames one by one. Raises GifError for one without pixels."""
    common = content[_HEADER : _HEADER + _palette(content[10])]
    flags, time, transparent = 0, 0, 0
    for kind, place, end in _blocks(content):
        if kind == _EXTENSION and content[place : place + 2] == _CONTROL and place + 6 <= len(content):
            flags, time, transparent = struct.unpack_from("<BHB", content, place + 2)
        elif kind == _FRAME and place + 9 <= len(content):
            left, top, width, height, form = struct.unpack_from("<HHHHB", content, place)
            if not (width and height):
                raise GifError("a frame has no pixels")
            has_transparent, start = flags & 1, place + 9 + _palette(form)
            control = Control(
                Box(left, top, left + width, top + height),
                time * _HUNDREDTH,
                _DISPOSALS.get(flags >> 2 & 7, 0),
                OVER,
                not has_transparent,
            )
            yield GifFrame(
                control,
                content[place + 9 : start] or common,
                transparent if has_transparent else -1,
                form & _INTERLACED,
                slice(start, end),
            )
            flags, time, transparent = 0, 0, 0


def lacks_end(content: Content) -> bool:
    """Return True if one has no end, as when it is cut off between two frames."""
    return all(kind != _END for kind, _, _ in _blocks(content))


def _blocks(content: Content) -> Iterator[tuple[int, int, int]]:
    """Yield the kind of each block up to the end, with the offsets after the kind and after the block."""
    end, kind = _HEADER + _palette(content[10]), 0
    while kind != _END and end < len(content):
        kind, place = content[end], end + 1
        if kind == _EXTENSION:
            end = _after_blocks(content, place + 1)
        elif kind == _FRAME and place + 9 <= len(content):
            end = _after_blocks(content, place + 9 + _palette(content[place + 8]) + 1)
        else:
            end = place
        yield kind, place, end


def _palette(flags: int) -> int:
    """Return the size in bytes of a palette."""
    return 3 << (flags & 7) + 1 if flags & 0x80 else 0


def _after_blocks(content: Content, place: int) -> int:
    """Return the offset after a chain of sub-blocks."""
    while place < len(content) and content[place]:
        place += 1 + content[place]
    return place + 1
