"""A clock for tests of what waits."""

NOON = 1_795_435_200.0  # 2026-11-23 12:00 UTC, in seconds since 1970


class Clock:
    """A clock that stands until a test or a pause moves it."""

    def __init__(self) -> None:
        self.seconds = NOON

    def now(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds
