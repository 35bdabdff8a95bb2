"""Background thread for a blocking library call, so that the caller can stop waiting for it."""

import threading
from collections.abc import Callable, Iterator
from typing import ParamSpec

_POLL_INTERVAL = 0.1  # seconds

P = ParamSpec("P")


class Background:
    """A call in a daemon thread, which ends with the call and does not keep the process alive."""

    def __init__(self, call: Callable[P, None], *arguments: P.args, **named: P.kwargs) -> None:
        """Begin the call."""
        self._failure: BaseException | None = None

        def run() -> None:
            try:
                call(*arguments, **named)
            except BaseException as error:
                self._failure = error

        self._thread = threading.Thread(target=run, name="writing", daemon=True)
        self._thread.start()

    def __iter__(self) -> Iterator[None]:
        """Yield every 0.1 s until the call returns, and re-raise its exception. Closing the iterator abandons it."""
        while self._thread.is_alive():
            self._thread.join(_POLL_INTERVAL)
            yield
        self.check()

    def check(self) -> None:
        """Re-raise the exception of the call, if it has failed."""
        if self._failure:
            raise self._failure
