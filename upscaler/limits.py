"""Limits on picture files and on the work that one may cause."""

from dataclasses import dataclass


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


DEFAULT_LIMITS = Limits()
UNLIMITED = Limits(pixels=None)  # for what was checked, or made here


def exceeds(amount: float, limit: float | None) -> bool:
    """Return True if there is a limit and `amount` exceeds it."""
    return limit is not None and amount > limit


def duration(seconds: float) -> str:
    """Format a time in seconds below two minutes, otherwise in minutes."""
    return f"{seconds / 60:,.0f} minutes" if seconds >= 120 else f"{seconds:.0f} seconds"
