"""Composition of the frames of an animated PNG or GIF on a canvas.

Formula: "Portable Network Graphics", third edition, W3C 2025, 13.16, for a backdrop that may be transparent too.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from upscaler.pixels import Pixels

BACKGROUND, PREVIOUS = 1, 2  # disposals: what becomes of the region after the frame's time
SOURCE, OVER = 0, 1  # blending: the frame replaces what is in the region, or is composited with it

_OPAQUE = 255  # alpha
_AT_ONCE = 100_000  # pixels that are composited; each takes 60 bytes meanwhile


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
    """Place, time and composition of a frame, and if all its pixels are opaque; no two are equal."""

    box: Box
    milliseconds: float
    disposal: int
    blending: int
    opaque: bool = True

    @property
    def region(self) -> tuple[slice, slice]:
        """Rows and columns of its box."""
        return slice(self.box.top, self.box.bottom), slice(self.box.left, self.box.right)


def shows_background(frames: Iterable[Control], size: tuple[int, int]) -> bool:
    """Return True if a frame leaves some of the transparent background in sight. size: of the canvas."""
    bare: Box | None = Box(0, 0, *size)
    for frame in frames:
        if bare and not (frame.opaque and frame.box.covers(bare)):
            return True
        if frame.disposal != PREVIOUS:
            bare = frame.box if frame.disposal == BACKGROUND else None
    return False


def shown(canvas: Pixels, frame: Control, pixels: Pixels) -> Pixels:
    """Draw a frame on the canvas, return a copy of that, and dispose of the frame.

    pixels: those of the frame's box. Both are HWC uint8 with 1 to 4 channels; a canvas without alpha is opaque.
    """
    region = canvas[frame.region]
    before = region.copy() if frame.disposal == PREVIOUS else None
    _draw(pixels, region, frame.blending)
    whole = canvas.copy()
    if before is not None:
        region[:] = before
    elif frame.disposal == BACKGROUND:
        region[:] = 0
    return whole


def _draw(pixels: Pixels, region: Pixels, blending: int) -> None:
    """Put pixels into a region of the canvas; gray ones fit into colours."""
    colours, alpha = _split(pixels)
    if alpha is None:
        _cover(region, colours, np.full_like(colours[:, :, :1], _OPAQUE), np.True_)
    elif blending == SOURCE:
        _cover(region, colours, alpha, np.True_)
    elif np.any((alpha > 0) & (alpha < _OPAQUE)):
        _composite(colours, alpha, region)
    else:  # the same result in a tenth of the time
        _cover(region, colours, alpha, alpha == _OPAQUE)
        below, transparency = _split(region)
        if transparency is not None:
            np.copyto(below, 0, where=transparency == 0)


def _cover(region: Pixels, colours: Pixels, alpha: Pixels, where: NDArray[np.bool_] | np.bool_) -> None:
    below, transparency = _split(region)
    np.copyto(below, colours, where=where)
    if transparency is not None:
        np.copyto(transparency, alpha, where=where)


def _split(pixels: Pixels) -> tuple[Pixels, Pixels | None]:
    """Return views of colours and alpha; None for no alpha."""
    return (pixels[:, :, :-1], pixels[:, :, -1:]) if pixels.shape[2] in (2, 4) else (pixels, None)


def _composite(colours: Pixels, alpha: Pixels, region: Pixels) -> None:
    """Draw pixels over those of a region, which has alpha: uint8, not premultiplied."""
    rows = max(1, _AT_ONCE // colours.shape[1])
    for top in range(0, len(colours), rows):
        part = slice(top, top + rows)
        lower = region[part]
        own = alpha[part].astype(np.uint32) * 255
        rest = lower[:, :, -1:] * (_OPAQUE - alpha[part].astype(np.uint32))
        both = own + rest  # 255 times the alpha
        mixed = colours[part] * own + lower[:, :, :-1] * rest
        lower[:, :, :-1] = (2 * mixed + both) // np.maximum(2 * both, 1)
        lower[:, :, -1:] = (both + 127) // 255
