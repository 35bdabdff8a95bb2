"""Worker processes without a parent."""

import multiprocessing
import threading
from collections.abc import Callable


def when_orphaned(act: Callable[[], object]) -> None:
    """Call `act` in a thread when this process's parent has ended, however it ended."""

    def wait() -> None:
        if parent := multiprocessing.parent_process():
            parent.join()
            act()

    threading.Thread(target=wait, daemon=True).start()
