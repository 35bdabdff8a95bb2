"""Rate limits on requests to NASA that visitors cause."""

import threading
from collections import deque

HOUR = 3600.0


class Allowance:
    """Rate limit of `each` uses per hour and visitor, and `together` for all visitors; thread-safe."""

    def __init__(self, each: int, together: int) -> None:
        self._each, self._together = each, together
        self._uses: deque[tuple[float, str]] = deque()  # within the last hour, at most `together`
        self._lock = threading.Lock()

    def take(self, address: str, now: float) -> float | None:
        """Count one use by an address at time `now`, or return the time of the next free use if none is left."""
        with self._lock:
            while self._uses and self._uses[0][0] <= now - HOUR:
                self._uses.popleft()
            visitor_uses = [moment for moment, user in self._uses if user == address]
            if len(visitor_uses) >= self._each:
                return visitor_uses[0] + HOUR
            if len(self._uses) >= self._together:
                return self._uses[0][0] + HOUR
            self._uses.append((now, address))
            return None
