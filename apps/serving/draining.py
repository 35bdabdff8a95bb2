"""End of a server with others beside it: the work that it has is finished, while new work goes to them."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass
class Draining:
    """Time between the request to stop and the end.

    most_seconds: of it; 0 to end at once. begin: called at its beginning, from a signal handler. is_done: predicate
    of having nothing left to do.
    """

    most_seconds: float
    begin: Callable[[], None]
    is_done: Callable[[], bool]
    _ends: float | None = field(default=None, init=False)

    def start(self) -> bool:
        """Begin; return False if there is no time for it, or it has begun before."""
        if self._ends is not None or not self.most_seconds:
            return False
        self._ends = time.monotonic() + self.most_seconds
        self.begin()
        return True

    @property
    def is_over(self) -> bool:
        """True once it has begun and everything is done, or the time is over."""
        return self._ends is not None and (time.monotonic() > self._ends or self.is_done())
