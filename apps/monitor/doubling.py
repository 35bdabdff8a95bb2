"""Download of a day's picture, and its upscaling by the worker, into one folder."""

from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, PositiveInt

from apps.monitor import cache
from apps.monitor.apod import Client, Entry
from apps.monitor.cache import Finished
from apps.monitor.pictures import MOST_PIXELS, BrokenPictureError
from apps.serving import loading
from apps.serving.job_limits import JobLimits
from apps.serving.messages import Update
from apps.serving.viewer.comparison import Comparison
from apps.serving.worker import JobRefusedError, Worker, WorkerError
from upscaler.model.artifact import Artifact
from upscaler.pictures.formats import SUFFIXES


def _known(suffix: str) -> str:
    if suffix not in SUFFIXES.values():
        raise ValueError("no suffix of a picture")
    return suffix


Suffix = Annotated[str, AfterValidator(_known)]


class _Result(BaseModel):
    """Result of the worker: suffixes of both files, sizes as (width, height), seconds of upscaling, and the tiles."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    suffix: Suffix
    doubled_suffix: Suffix
    size: tuple[PositiveInt, PositiveInt]
    doubled_size: tuple[PositiveInt, PositiveInt]
    seconds: float
    comparison: Comparison


def worker_of(model: Artifact, limits: JobLimits) -> Worker:
    """Create the monitor's worker, which loads `model` when it starts."""
    return Worker("apps.monitor.worker", {"model": loading.place_of(model)}, limits)


def limits_of(worker: Worker) -> dict[str, Any]:
    """Return the limits of one picture as JSON values, arguments of a job of `worker`."""
    return asdict(replace(worker.limits.of_file, pixels=MOST_PIXELS))


def double_day(client: Client, worker: Worker, model: Artifact, entry: Entry, folder: Path) -> Iterator[Update]:
    """Fill an empty folder with the files of a finished day, the record last, yielding updates.

    Raises BrokenPictureError if the day's file is not a still picture or exceeds a limit, the errors of
    `Client.picture`, and the OSError of the worker.
    """
    name = f"apod_{entry.date}"
    file = folder / name
    file.write_bytes(client.picture(entry))
    try:
        for message in worker.run("double", {"file": str(file), "name": name, "limits": limits_of(worker)}, _Result):
            if isinstance(message, Update):
                yield message
            else:
                cache.write_record(folder, _finished(entry, name, message, model))
    except (JobRefusedError, WorkerError) as error:
        raise BrokenPictureError(str(error)) from error


def _finished(entry: Entry, name: str, result: _Result, model: Artifact) -> Finished:
    return Finished(
        entry=entry,
        source=f"{name}{result.suffix}",
        doubled=f"{name}_2x{result.doubled_suffix}",
        source_size=result.size,
        doubled_size=result.doubled_size,
        seconds=result.seconds,
        model=model.name,
        revision=model.revision,
        comparison=result.comparison,
    )
