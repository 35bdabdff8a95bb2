"""Times and repetitions of animations, which each format counts its own way."""

import logging
from collections.abc import Iterable
from typing import Any

import numpy as np
from PIL import Image

from upscaler.pictures.formats import AVIF, GIF, PNG, Format
from upscaler.pictures.header import Frame, Header

_ENDLESS = 0
_GIF_UNIT = 10.0  # milliseconds
_MOST_PARTS = 65_535  # of a time in an APNG, a fraction of two 16-bit numbers
_LONGEST = {GIF: 655_350, PNG: 65_535_000}  # milliseconds
_LONGEST_OTHERS = 2**24 - 1  # of WebP

_log = logging.getLogger(__name__)


def plays_of(image: Image.Image) -> int:
    """Return how often an opened animation is shown (0: endlessly).

    A GIF counts its repetitions, of which it has none if it doesn't say so; browsers and gif2webp take it for that.
    """
    loop = image.info.get("loop")
    if image.format == "GIF":
        return 1 if loop is None else loop + 1 if loop else _ENDLESS
    return loop or _ENDLESS


def timing_options(frames: list[Frame], header: Header, format: Format) -> dict[str, Any]:
    """Return the times and repetitions of an animation as keyword arguments of Pillow's `save`."""
    still_first = format is PNG and header.still_first
    timed = frames[1:] if still_first else frames  # Pillow gives the first time to the first frame of the animation
    times = _whole_times([frame.milliseconds for frame in timed], format)
    options: dict[str, Any] = {"duration": _within_merged(times, timed) if format is GIF else times}
    if still_first:
        options["default_image"] = True
    if format is AVIF:
        if header.plays != _ENDLESS:
            _log.warning("%s: it will be repeated endlessly, for Pillow writes no other AVIF", header.path)
    elif format is not GIF or header.plays == _ENDLESS:
        options["loop"] = header.plays
    elif header.plays > 1:
        options["loop"] = header.plays - 1
    return options


def _whole_times(times: Iterable[float], format: Format) -> list[int]:
    """Round times to those that the format holds, in milliseconds; what one loses goes to the next, not to the sum."""
    whole, lost, longest = [], 0.0, _LONGEST.get(format, _LONGEST_OTHERS)
    for time in times:
        unit = _unit(time, format)
        wanted = min(time + lost, longest)
        whole.append(int(round(wanted / unit) * unit))
        lost = wanted - whole[-1]
    return whole


def _within_merged(times: list[int], frames: list[Frame]) -> list[int]:
    """Shorten times so that equal neighbours, which Pillow writes as one frame of a GIF, are within its longest one."""
    if sum(times) <= _LONGEST[GIF]:
        return times
    together, within = 0, []
    for n, (time, frame) in enumerate(zip(times, frames, strict=True)):
        if n and not np.array_equal(frame.pixels, frames[n - 1].pixels):
            together = 0
        within.append(min(time, _LONGEST[GIF] - together))
        together += within[-1]
    return within


def _unit(time: float, format: Format) -> float:
    if format is GIF:
        return _GIF_UNIT
    unit = 1.0
    while format is PNG and time / unit > _MOST_PARTS:
        unit *= 10
    return unit
