"""Estimates of the time that pictures will take, from those that were upscaled before."""

from collections.abc import Iterable
from dataclasses import dataclass
from math import isfinite

from apps.ui.batch import Batch, Picture, State

_FORGETTING = 0.8  # weight of what was seen before, at each new picture
_AT_FIRST = 3.0, 500_000.0  # seconds and bytes before anything was seen: a photo of 2 megapixels


@dataclass
class Pace:
    """Seconds of work per byte of a file, as a running average."""

    seconds: float = _AT_FIRST[0]
    bytes: float = _AT_FIRST[1]

    def add(self, size: int, seconds: float) -> None:
        """Record a finished picture: bytes of its file, and seconds of work."""
        self.bytes = _FORGETTING * self.bytes + size
        self.seconds = _FORGETTING * self.seconds + seconds

    def remaining(self, picture: Picture) -> float:
        """Estimate the seconds that a picture still takes."""
        if picture.state is State.WORKING and picture.seconds_left is not None and isfinite(picture.seconds_left):
            return picture.seconds_left
        try:
            size = picture.source.stat().st_size
        except OSError:  # deleted meanwhile
            return 0.0
        return size * self.seconds / self.bytes if picture.is_pending else 0.0


def outlook(
    pace: Pace, batch: Batch, working: Iterable[Picture], queue: Iterable[tuple[Batch, Picture]]
) -> tuple[int, float, float]:
    """Return the number of pictures ahead of a batch, and the seconds until it begins and until it ends.

    working: pictures that are being upscaled. queue: those that wait, in order.
    """
    ahead, seconds, begins, ends = 0, 0.0, None, 0.0
    for is_own, picture in [
        *((one in batch.pictures, one) for one in working),
        *((b is batch, one) for b, one in queue),
    ]:
        if is_own and begins is None:
            begins = seconds
        ahead += begins is None
        seconds += pace.remaining(picture)
        if is_own:
            ends = seconds
    return ahead, begins or 0.0, ends
