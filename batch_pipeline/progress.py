"""The line of a batch on the terminal, and its summary."""

import time
from collections import Counter
from typing import Never, Self

from tqdm import tqdm

from batch_pipeline.report import Record

_FORM = "{n_fmt} of {total_fmt} pictures|{bar}| {rate_noinv_fmt}{postfix}, {remaining} left"


class Progress:
    """Counts of a batch, shown on standard error if that is a terminal."""

    def __init__(self, waiting: int, done: int, failures: dict[str, int]) -> None:
        """Set the numbers of pictures that wait and that are done, and of earlier failures by reason."""
        self.failures = Counter(failures)
        self._upscaled, self._skipped, self._megapixels = 0, done, 0.0
        self._started = time.monotonic()
        self._bar: tqdm[Never] = tqdm(
            total=waiting, unit=" pictures", bar_format=_FORM, disable=None, leave=False, mininterval=1, smoothing=0.02
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.close()

    def add(self, record: Record | None) -> None:
        """Count a picture; None: its result exists already."""
        if record is None:
            self._skipped += 1
        elif record.error is not None:
            self.failures[record.reason] += 1
        else:
            self._upscaled += 1
            self._megapixels += record.megapixels
        speed = self._megapixels / (time.monotonic() - self._started)
        failed = self.failures.total()
        counts = f"{speed:.1f} MP/s, {self._upscaled} done, {self._skipped} skipped, {failed} failed"
        self._bar.set_postfix_str(counts, refresh=False)
        self._bar.update()

    def summary(self) -> str:
        """Describe the batch: "12 upscaled, 3 finished before, 1 failed: 1 LimitError"."""
        line = f"{self._upscaled} upscaled, {self._skipped} finished before, {self.failures.total()} failed"
        reasons = ", ".join(f"{count} {reason}" for reason, count in self.failures.most_common())
        return f"{line}: {reasons}" if reasons else line
