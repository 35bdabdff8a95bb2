"""Logging that names no visitor's file and is rate-limited, so that no client can fill the disk."""

import logging
import sys
import time
import traceback
from asyncio import CancelledError
from types import SimpleNamespace

from apps.serving.gradio_api import queueing

MOST = 30  # records per minute
_MINUTE = 60.0

log = logging.getLogger(__name__)


def set_up() -> None:
    """Send warnings and errors to standard error, rate-limited."""
    handler = logging.StreamHandler()
    handler.addFilter(RateLimit())
    logging.basicConfig(level=logging.WARNING, handlers=[handler], format="%(levelname)s: %(message)s", force=True)
    logging.getLogger("upscaler").setLevel(logging.ERROR)  # its warnings name files
    logging.getLogger("uvicorn.error").setLevel(logging.ERROR)  # clients can cause its warnings at will
    # Gradio prints the inputs of a failed call, file names included
    queueing.traceback = SimpleNamespace(print_exc=_log_failure)  # type: ignore[attr-defined,assignment]


class RateLimit(logging.Filter):
    """Filter that passes at most MOST records per minute, and none of connections cut by the server's shutdown."""

    def __init__(self) -> None:
        super().__init__()
        self._minute, self._count = 0.0, 0

    def filter(self, record: logging.LogRecord) -> bool:
        """Return True if the record should be logged."""
        if record.exc_info and record.exc_info[0] is CancelledError:
            return False
        if time.monotonic() - self._minute > _MINUTE:
            self._minute, self._count = time.monotonic(), 0
        self._count += 1
        return self._count <= MOST


def _log_failure() -> None:
    """Log the traceback of the current exception without its message, which may quote an input."""
    kind, _, place = sys.exc_info()
    lines = "".join(traceback.format_tb(place)[-3:])
    log.error("a call failed with %s:\n%s", kind.__name__ if kind else "nothing", lines)
