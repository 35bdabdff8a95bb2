"""Quota of temporary files, in total and per visitor, enforced also for concurrent uploads and before each job."""

import time
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from starlette.types import Message, Receive

from apps.serving import temporary
from apps.serving.refusal import RequestRefusedError

_SHARE_EACH = 0.5  # maximum share of one visitor
_FILE = 8_192  # bytes that an empty file and its folder take


def check_space(folder: Path, most_bytes: int, keep_seconds: float, own: Iterable[Path]) -> None:
    """Raise RequestRefusedError if a folder holds `most_bytes`, or its folders `own`, one visitor's, hold half of it.

    keep_seconds: lifetime of files. Slow with many files.
    """
    if temporary.size_of(*own) >= _SHARE_EACH * most_bytes:
        kept = temporary.lifetime(keep_seconds)
        raise RequestRefusedError(
            507, f"your photos take half of the server's disk; delete some, or try again in {kept}"
        )
    if temporary.size_of(folder) >= most_bytes:
        raise _full(keep_seconds)


def _full(keep_seconds: float) -> RequestRefusedError:
    kept = temporary.lifetime(keep_seconds)
    return RequestRefusedError(507, f"the server's disk is full of other photos; try again in {kept}")


class Quota:
    """Quota in bytes for a folder with uploads, and for the recent uploads of each visitor."""

    def __init__(self, folder: Path, most_bytes: int, seconds: float) -> None:
        """Set the limits; `seconds`: lifetime of files, for which uploads count against their visitor."""
        self._folder, self._most_bytes, self._seconds = folder, most_bytes, seconds
        self._arrived = 0  # bytes since the start
        self._charged: Counter[str] = Counter()  # bytes of recent uploads and of those in progress, by address
        self._recent: deque[tuple[float, str, int]] = deque()  # time, address, bytes

    @contextmanager
    def counted(self, receive: Receive, address: str, used: int, announced: int) -> Iterator[Receive]:
        """Yield an ASGI `receive` that refuses bytes beyond the quota. `used`: bytes in the folder before.

        Raises RequestRefusedError at once if `announced` bytes, which are reserved meanwhile, exceed the quota.
        """
        arrived_before, received, charged = self._arrived, 0, announced

        def check_all(size: int) -> None:
            if used + self._arrived - arrived_before + size > self._most_bytes:
                raise _full(self._seconds)

        async def receive_counted() -> Message:
            nonlocal received, charged
            message = await receive()
            size = len(message.get("body", b""))
            check_all(size)
            if (more := received + size - charged) > 0:
                self._charge(address, more)
                charged += more
            received += size
            self._arrived += size
            return message

        check_all(announced)
        self._charge(address, announced)
        try:
            yield receive_counted
        finally:
            self._charged[address] -= charged - received
            self._recent.append((time.monotonic(), address, received))

    def add_file(self, address: str) -> None:
        """Count a visitor's file besides its content. Raises RequestRefusedError beyond the quota."""
        self._charge(address, _FILE)
        self._recent.append((time.monotonic(), address, _FILE))

    def used(self) -> int:
        """Return the bytes in the folder; slow with many files."""
        return temporary.size_of(self._folder)

    def _charge(self, address: str, size: int) -> None:
        self._forget_old()
        if self._charged[address] + size > _SHARE_EACH * self._most_bytes:
            kept = temporary.lifetime(self._seconds)
            raise RequestRefusedError(507, f"you have uploaded a lot within {kept}; try again later")
        self._charged[address] += size

    def _forget_old(self) -> None:
        while self._recent and self._recent[0][0] < time.monotonic() - self._seconds:
            _, address, size = self._recent.popleft()
            self._charged[address] -= size
            if not self._charged[address]:
                del self._charged[address]
