"""Worker process of the web UI: upscales pictures, and writes previews and full-resolution details."""

import time
from collections.abc import Generator, Mapping
from pathlib import Path
from typing import Any

from apps.serving import loading
from apps.serving.jobs import Job, serve
from apps.serving.messages import Update
from apps.serving.progress import reported
from apps.ui import loupe, preview
from upscaler import Options, Upscaler, double_file


def prepare(models: list[dict[str, Any]]) -> tuple[Mapping[str, Job], dict[str, Any]]:
    """Load the models; return the jobs, and each model's precision as facts."""
    upscalers = {upscaler.model.name: upscaler for upscaler in (loading.load(**model) for model in models)}

    def double(
        model: str, source: Path, target: Path, before: Path, after: Path, options: Options
    ) -> Generator[Update, None, dict[str, Any]]:
        return (yield from _double(upscalers[model], source, target, (before, after), options))

    facts = {name: upscaler.precision for name, upscaler in upscalers.items()}
    return {"double": double, "look": look}, facts


def _double(
    upscaler: Upscaler, source: Path, target: Path, pair: tuple[Path, Path], options: Options
) -> Generator[Update, None, dict[str, Any]]:
    """Upscale a file and write both previews; the result holds both sizes and the seconds of upscaling."""
    began = time.monotonic()
    yield Update(stage="Reading the picture")
    doubled = yield from reported(double_file(upscaler, source, target, options))
    seconds = time.monotonic() - began
    yield Update(stage="Preparing the comparison", share=1.0)
    preview.write_pair(source, target, *pair)
    return {"size": doubled.size, "doubled_size": doubled.doubled_size, "seconds": seconds}


def look(
    source: Path, doubled: Path, across: float, down: float, before: Path, after: Path
) -> Generator[Update, None, dict[str, Any]]:
    """Write a detail of a picture before and after upscaling, by `loupe.write_place`."""
    yield Update()
    loupe.write_place(source, doubled, across, down, before, after)
    return {}


if __name__ == "__main__":
    serve(prepare)
