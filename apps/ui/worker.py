"""Worker process of the web UI: upscales pictures, with previews for the page, and compares them."""

import time
from collections.abc import Generator, Mapping
from pathlib import Path
from typing import Any

from apps.serving import loading
from apps.serving.jobs import Job, serve
from apps.serving.messages import Update
from apps.serving.progress import reported
from apps.serving.viewer import tiles
from apps.ui.previews import Previews
from upscaler import Options, Upscaler, double_file


def prepare(models: list[dict[str, Any]]) -> tuple[Mapping[str, Job], dict[str, Any]]:
    """Load the models; return the jobs, and each model's precision as facts."""
    upscalers = {upscaler.model.name: upscaler for upscaler in (loading.load(**model) for model in models)}

    def double(
        model: str, source: Path, target: Path, options: Options, previews: Path | None
    ) -> Generator[Update, None, dict[str, Any]]:
        return (yield from _double(upscalers[model], source, target, options, previews))

    facts = {name: upscaler.precision for name, upscaler in upscalers.items()}
    return {"double": double, "compare": compare}, facts


def _double(
    upscaler: Upscaler, source: Path, target: Path, options: Options, previews: Path | None
) -> Generator[Update, None, dict[str, Any]]:
    """Upscale a file; the result holds both sizes and the seconds of work. previews: folder for them, if any."""
    began = time.monotonic()
    yield Update()
    doubled = yield from reported(
        double_file(upscaler, source, target, options, Previews(previews) if previews else None)
    )
    return {"size": doubled.size, "doubled_size": doubled.doubled_size, "seconds": time.monotonic() - began}


def compare(source: Path, doubled: Path, folder: Path) -> Generator[Update, None, dict[str, Any]]:
    """Write the tiles of a comparison into a folder; the result describes it."""
    yield Update()
    return tiles.write(source, doubled, folder).model_dump()


if __name__ == "__main__":
    serve(prepare)
