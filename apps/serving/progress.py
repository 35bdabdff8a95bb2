"""Progress of a file that is upscaled, as a worker reports it."""

import time
from collections.abc import Generator

from apps.serving.messages import Update
from upscaler import Doubled, Progress

BETWEEN_UPDATES = 0.2  # seconds


def reported(work: Generator[Progress, None, Doubled]) -> Generator[Update, None, Doubled]:
    """Report now and then how far `double_file` is; returns what it returns."""
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
