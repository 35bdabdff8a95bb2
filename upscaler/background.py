"""Background thread for a blocking library call, so that the caller can stop waiting for it."""

import threading
from collections.abc import Callable, Iterator
from typing import ParamSpec

_POLL_INTERVAL = 0.1  # seconds

P = ParamSpec("P")


def in_background(call: Callable[P, None], *arguments: P.args, **named: P.kwargs) -> Iterator[None]:
    """Run `call` in a thread, at once; the iterator yields every 0.1 s until it returns, and re-raises its exception.

    Closing the iterator abandons the call: the daemon thread ends with the call and does not keep the process alive.
    """
    failure: list[BaseException] = []

    def run() -> None:
        try:
            call(*arguments, **named)
        except BaseException as error:
            failure.append(error)

    thread = threading.Thread(target=run, name="writing", daemon=True)
    thread.start()
    return _until_done(thread, failure)


def _until_done(thread: threading.Thread, failure: list[BaseException]) -> Iterator[None]:
    while thread.is_alive():
        thread.join(_POLL_INTERVAL)
        yield
    if failure:
        raise failure[0]
