"""A long call of a library, made in a thread, so that whoever waits for it can stop waiting."""

import threading
from collections.abc import Callable, Iterator
from typing import ParamSpec

_PATIENCE = 0.1  # seconds between two looks

P = ParamSpec("P")


def until_done(call: Callable[P, None], *arguments: P.args, **named: P.kwargs) -> Iterator[None]:
    """Yield now and then until `call` is done, and raise what it raises.

    Closing the iterator abandons the call: the thread ends when the library does, and keeps no process alive.
    """
    failure: list[BaseException] = []

    def run() -> None:
        try:
            call(*arguments, **named)
        except BaseException as error:
            failure.append(error)

    thread = threading.Thread(target=run, name="writing", daemon=True)
    thread.start()
    while thread.is_alive():
        thread.join(_PATIENCE)
        yield
    if failure:
        raise failure[0]
