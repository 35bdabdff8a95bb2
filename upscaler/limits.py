"""Limits of the work that one picture file may ask for."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """The most that a file may have or cost; None: unbounded.

    pixels: before upscaling, all frames together. frames: or pages. windows: runs of the network for the whole file.
    scans: of a JPEG, each of which is decoded as large as the picture. seconds: predicted wall-clock time.
    """

    pixels: int | None = 100_000_000
    frames: int | None = None
    windows: int | None = None
    scans: int | None = None
    seconds: float | None = None


DEFAULT_LIMITS = Limits()


def exceeds(amount: float, limit: float | None) -> bool:
    """Return True if there is a limit and `amount` lies above it."""
    return limit is not None and amount > limit


def duration(seconds: float) -> str:
    """Describe a time in seconds, or in minutes from two minutes on."""
    return f"{seconds / 60:,.0f} minutes" if seconds >= 120 else f"{seconds:.0f} seconds"
