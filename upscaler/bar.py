"""Progress bar of one picture."""

import logging
from collections.abc import Iterable
from typing import TYPE_CHECKING

from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

from upscaler.streams import EscapingFormatter, escaped

if TYPE_CHECKING:
    from upscaler.upscaler import Progress

_FORM = "{desc}: {percentage:3.0f} %|{bar}| {rate_noinv_fmt}, {remaining} left"


def with_bar(job: "Iterable[Progress]", name: str) -> None:
    """Run a job to its end, with a bar on standard error if that is a terminal; warnings go above it."""
    with (
        logging_redirect_tqdm(),
        tqdm(desc=escaped(name), unit=" MP", bar_format=_FORM, disable=None, leave=False) as bar,
    ):
        logging.getLogger().handlers[-1].setFormatter(EscapingFormatter())  # that of tqdm
        for progress in job:
            bar.total = progress.megapixels / progress.share
            bar.update(progress.megapixels - bar.n)
