"""The blocks of a GIF: bounds on them before Pillow allocates its first frame, and whether it is cut off."""

import struct
from collections.abc import Iterator

from upscaler.errors import LimitError
from upscaler.limits import Limits, check_frame_limit
from upscaler.pictures.content import Content, check_size

_HEADER = 13
_EXTENSION, _FRAME, _END = b"!,;"
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
