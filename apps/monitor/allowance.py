"""Limits to what visitors may ask of NASA."""

import threading
from collections import deque

HOUR = 3600.0


class Allowance:
    """At most `each` uses an hour by one visitor, and `together` by all. Threads may share it."""

    def __init__(self, each: int, together: int) -> None:
        self._each, self._together = each, together
        self._uses: deque[tuple[float, str]] = deque()  # of the last hour, so at most `together`
        self._lock = threading.Lock()

    def take(self, address: str, now: float) -> float | None:
        """Take one use for the visitor at an address, at `now`; returns when to ask again if none is left."""
        with self._lock:
            while self._uses and self._uses[0][0] <= now - HOUR:
                self._uses.popleft()
            own = [moment for moment, user in self._uses if user == address]
            if len(own) >= self._each:
                return own[0] + HOUR
            if len(self._uses) >= self._together:
                return self._uses[0][0] + HOUR
            self._uses.append((now, address))
            return None
