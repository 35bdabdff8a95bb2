"""Program of the worker process: upscales pictures, and measures them for an estimate."""

import logging
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from logging.handlers import QueueHandler
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from apps.serving import loading
from apps.serving.jobs import Job, serve
from apps.serving.messages import Update
from apps.serving.progress import reported
from upscaler import Options, double_file, price
from upscaler.engines.cores import use_at_most
from upscaler.errors import PictureError
from upscaler.model.architecture import SCALE
from upscaler.pictures.reading import read_header

_MOST_WARNINGS, _LONGEST = 20, 500  # of one picture, and characters of each


def prepare(model: dict[str, Any], cores: int) -> tuple[Mapping[str, Job], dict[str, Any]]:
    """Load the model; return the jobs. cores: of the engine."""
    use_at_most(cores)
    upscaler = loading.load(**model)

    def double(source: Path, target: Path, options: Options) -> Generator[Update, None, dict[str, Any]]:
        yield Update()
        with _warnings() as warnings:
            try:
                doubled = yield from reported(double_file(upscaler, source, target, options))
            except PictureError as error:
                return {"error": str(error), "reason": type(error).__name__, "warnings": warnings()}
            return {"size": doubled.size, "target_size": doubled.doubled_size, "warnings": warnings()}

    def measure(source: Path, options: Options) -> Generator[Update, None, dict[str, Any]]:
        yield Update()
        try:
            header = read_header(source, options.limits)
        except PictureError as error:
            return {"error": str(error)}
        seconds = price.seconds(upscaler, header, options.times, options.flips)
        return {"megapixels": header.pixels * SCALE ** (2 * options.times) / 1e6, "seconds": seconds}

    return {"double": double, "measure": measure}, {}


@contextmanager
def _warnings() -> Iterator[Any]:
    """Yield a function that returns the texts of the warnings logged since."""
    records: SimpleQueue[logging.LogRecord] = SimpleQueue()
    handler = QueueHandler(records)
    logging.getLogger().addHandler(handler)
    try:
        yield lambda: [records.get().getMessage()[:_LONGEST] for _ in range(min(records.qsize(), _MOST_WARNINGS))]
    finally:
        logging.getLogger().removeHandler(handler)


if __name__ == "__main__":
    serve(prepare)
