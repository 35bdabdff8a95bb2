"""Limits to what visitors may ask of NASA."""

import ipaddress
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
        """Take one use for the visitor at an IP address, at `now`; returns when to ask again if none is left."""
        visitor = _visitor(address)
        with self._lock:
            while self._uses and self._uses[0][0] <= now - HOUR:
                self._uses.popleft()
            own = [moment for moment, user in self._uses if user == visitor]
            if len(own) >= self._each:
                return own[0] + HOUR
            if len(self._uses) >= self._together:
                return self._uses[0][0] + HOUR
            self._uses.append((now, visitor))
            return None


def _visitor(address: str) -> str:
    """Return the part of an IP address that one visitor cannot change: of IPv6 the first half."""
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return ""  # such as of a test client; these share one allowance
    if isinstance(ip, ipaddress.IPv6Address) and not ip.ipv4_mapped:
        return str(ipaddress.ip_network((ip, 64), strict=False))
    return str(getattr(ip, "ipv4_mapped", None) or ip)
