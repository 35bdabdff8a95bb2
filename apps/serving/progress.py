"""Progress of a worker: throttled reports, and the time left as a visitor reads it."""

import math
import time
from collections.abc import Generator

from apps.serving.messages import Update
from upscaler import Doubled, Progress

BETWEEN_UPDATES = 0.2  # seconds
QUIET = 3.0  # seconds of work before the first estimate
BETWEEN_WORDS = 1.0  # seconds
_SETTLING = 8.0  # seconds in which the announced end follows a changed estimate; a quarter of the work's at first
_EARLY = 0.1  # share of the work in which the start-up distorts the speed


def reported(work: Generator[Progress, None, Doubled]) -> Generator[Update, None, Doubled]:
    """Convert the progress of `double_file` into updates, at most one every 0.2 s; return its result."""
    last = time.monotonic()
    while True:
        try:
            now = next(work)
        except StopIteration as end:
            doubled: Doubled = end.value
            return doubled
        if time.monotonic() - last > BETWEEN_UPDATES:
            last = time.monotonic()
            yield Update(share=now.share, megapixels=now.megapixels, seconds=now.seconds)


class RemainingTime:
    """Estimate of the time that a job still needs, in words that change at most once a second.

    The speed is that since the first report, because nothing is done in a job's first seconds; for one who joins later,
    that since the start. The end that follows from it is smoothed, so that the words count down.
    """

    def __init__(self) -> None:
        self._first: tuple[float, float] | None = None  # seconds and share of the first report
        self._last = 0.0  # seconds of the last report
        self._end = math.inf
        self._words, self._spoken_at = "", -math.inf

    def left(self, share: float, seconds: float) -> float:
        """Take a report of the `share` done after `seconds`; return the seconds left, infinite if unknown yet."""
        if self._first is None:
            self._first = (seconds, share) if share < _EARLY else (0.0, 0.0)
        since, done = seconds - self._first[0], share - self._first[1]
        if done > 0:
            end = seconds + since * (1 - share) / done
            settling = min(_SETTLING, seconds / 4)
            change = end - self._end if math.isfinite(self._end) else 0.0
            self._end = end - change * math.exp(-(seconds - self._last) / settling)
        self._last = seconds
        return max(self._end - seconds, 0.0)

    def words(self, share: float, seconds: float) -> str:
        """Take a report as `left` does; return such as "about 4 min left", "" in the first three seconds."""
        left = self.left(share, seconds)
        if seconds >= QUIET and seconds - self._spoken_at >= BETWEEN_WORDS:
            self._words, self._spoken_at = f"{in_words(left)} left" if math.isfinite(left) else "", seconds
        return self._words


def in_words(seconds: float) -> str:
    """Write a duration as a person would say it: a few seconds, about 40 s, about 4 min, about 2 h."""
    if seconds < 8:
        return "a few seconds"
    if seconds < 57.5:
        return f"about {5 * round(seconds / 5)} s"
    if seconds < 59.5 * 60:
        return f"about {max(round(seconds / 60), 1)} min"
    return f"about {round(seconds / 3600)} h"
