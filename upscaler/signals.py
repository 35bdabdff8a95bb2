"""Signals that end a program."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

_NUMBERS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]


class Stopped(KeyboardInterrupt):
    """Interrupt by a signal."""

    def __init__(self, number: int) -> None:
        """Set the number of the signal."""
        super().__init__(number)
        self.exit_code = 128 + number  # as shells report it


@contextmanager
def stopping() -> Iterator[None]:
    """Raise Stopped at SIGINT, SIGTERM and SIGHUP, so that the block cleans up; further ones do not disturb it.

    Ignored signals stay ignored, such as SIGHUP under nohup.
    """
    before = {number: signal.getsignal(number) for number in _NUMBERS}
    handled = [number for number in _NUMBERS if before[number] not in (signal.SIG_IGN, None)]  # None: not of Python

    def stop(number: int, _: FrameType | None) -> NoReturn:
        for other in handled:
            signal.signal(other, signal.SIG_IGN)
        raise Stopped(number)

    for number in handled:
        signal.signal(number, stop)
    try:
        yield
    finally:
        for number in handled:
            signal.signal(number, before[number])


@contextmanager
def held() -> Iterator[None]:
    """Hold signals back to the end of the block; a process started in it never receives them."""
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _NUMBERS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
