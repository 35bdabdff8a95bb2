"""Throttled progress reports of a worker."""

import time
from collections.abc import Generator

from apps.serving.messages import Update
from upscaler import Doubled, Progress

BETWEEN_UPDATES = 0.2  # seconds


def reported(work: Generator[Progress, None, Doubled]) -> Generator[Update, None, Doubled]:
    """Convert the progress of `double_file` into updates, at most one every 0.2 s; return its result."""
    last = time.monotonic()
    while True:
        try:
            now = next(work)
        except StopIteration as end:
            doubled: Doubled = end.value
            return doubled
        if time.monotonic() - last > BETWEEN_UPDATES:
            last = time.monotonic()
            yield Update(share=now.share, megapixels=now.megapixels, seconds=now.seconds)
