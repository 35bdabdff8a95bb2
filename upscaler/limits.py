"""Limits on picture files and on the work that one may cause."""

from dataclasses import dataclass
from typing import Self

from upscaler.errors import LimitError


@dataclass(frozen=True)
class Limits:
    """Upper limits for one file (None: unlimited).

    pixels: input pixels of all frames. frames: frames or pages. windows: runs of the network for the whole file.
    scans: scans of a JPEG, each of which is decoded at full size. seconds: predicted time, without waits.
    """

    pixels: int | None = 100_000_000
    frames: int | None = None
    windows: int | None = None
    scans: int | None = None
    seconds: float | None = None

    @classmethod
    def of_megapixels(cls, megapixels: float) -> Self:
        """Return limits on the input's megapixels alone."""
        return cls(pixels=round(megapixels * 1e6))


DEFAULT_LIMITS = Limits()
UNLIMITED = Limits(pixels=None)  # for what was checked, or made here


def exceeds(amount: float, limit: float | None) -> bool:
    """Return True if there is a limit and `amount` exceeds it."""
    return limit is not None and amount > limit


def check_pixel_limit(pixels: int, size: str, name: object, limits: Limits) -> None:
    """Raise LimitError if a file has too many pixels. size: what it has, in words."""
    if limits.pixels is not None and pixels > limits.pixels:
        raise LimitError(
            f"{name} has {size}, more than the limit of {limits.pixels / 1e6:g} megapixels; "
            "make it smaller or raise --max-pixels"
        )


def check_frame_limit(frames: int, name: object, most: int | None) -> None:
    """Raise LimitError if a file has more frames or pages than `most`."""
    if exceeds(frames, most):
        raise LimitError(f"{name} has more frames or pages than the limit of {most:,}; split it")


def duration(seconds: float) -> str:
    """Format a time: in seconds below two minutes, in hours if it is two whole ones or more, otherwise in minutes."""
    if seconds >= 7200 and seconds % 3600 == 0:
        return f"{seconds / 3600:,.0f} hours"
    return f"{seconds / 60:,.0f} minutes" if seconds >= 120 else f"{seconds:.0f} seconds"
