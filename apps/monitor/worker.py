"""Worker process of the monitor: upscales a day's picture, writes it as tiles, and measures the model on it."""

import time
from collections.abc import Generator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from apps.monitor import pictures
from apps.monitor.measure import measure
from apps.serving import loading
from apps.serving.jobs import Job, serve
from apps.serving.messages import Update
from apps.serving.progress import reported
from apps.serving.viewer import tiles
from upscaler import Limits, Options, Upscaler, double_file
from upscaler.pictures.reading import read_rgb8

WRITTEN_AS = {".gif": ".png"}  # an upscaled picture has more colours than a GIF supports


def prepare(model: dict[str, Any]) -> tuple[Mapping[str, Job], dict[str, Any]]:
    """Load the model; return the jobs, without facts."""
    upscaler = loading.load(**model)

    def double(file: Path, name: str, limits: Limits) -> Generator[Update, None, dict[str, Any]]:
        return (yield from _double(upscaler, file, name, limits))

    def measured(file: Path, limits: Limits) -> Generator[Update, None, dict[str, Any]]:
        yield Update()
        pictures.checked_suffix(file, limits)
        with pictures.as_broken(file):
            picture = read_rgb8(file, limits)
        height, width = picture.shape[:2]
        return {"width": width, "height": height, "measured": asdict(measure(upscaler, picture))}

    return {"double": double, "measure": measured}, {}


def _double(upscaler: Upscaler, file: Path, name: str, limits: Limits) -> Generator[Update, None, dict[str, Any]]:
    """Rename a file to `name` with its suffix, upscale it to `name`_2x, and write thumbnail and tiles."""
    suffix = pictures.checked_suffix(file, limits)
    source = file.rename(file.with_name(f"{name}{suffix}"))
    doubled = file.with_name(f"{name}_2x{WRITTEN_AS.get(suffix, suffix)}")
    started = time.monotonic()
    with pictures.as_broken(source):
        pictures.write_thumbnail(source, limits)  # before the long work: what cannot be shown is refused
        result = yield from reported(double_file(upscaler, source, doubled, Options(limits=limits)))
        seconds = time.monotonic() - started
        comparison = tiles.write(source, doubled, file.with_name(pictures.TILES))
    return {
        "suffix": suffix,
        "doubled_suffix": doubled.suffix,
        "size": result.size,
        "doubled_size": result.doubled_size,
        "seconds": seconds,
        "comparison": comparison.model_dump(),
    }


if __name__ == "__main__":
    serve(prepare)
