"""A batch from its listing to its summary."""

import sys
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path

from apps.serving import loading
from batch_pipeline import estimate, places
from batch_pipeline.catalogue import CLASH, DONE, NAME, WAITING, Catalogue, Task
from batch_pipeline.config import BatchConfig
from batch_pipeline.entry import Entry
from batch_pipeline.errors import BatchError
from batch_pipeline.places import Folder, Listed, Place
from batch_pipeline.progress import Progress
from batch_pipeline.report import REPORT, SEGMENTS, FileReport, Record, Report, SegmentedReport, written
from batch_pipeline.station import WORKER
from cluster.lock import locked
from upscaler.links import followed
from upscaler.model import find
from upscaler.pictures.formats import BY_SUFFIX
from upscaler.streams import say
from upscaler.targets import starts_like_picture

_MOST_IN_A_ROW = 10  # failures of one kind that lie outside the pictures
_ADVICE = {
    NAME: "is no plain relative path, without control characters and backslashes; rename it",
    CLASH: "shares its target; rename it",
}

Work = Callable[[Iterator[Task], BatchConfig], Generator[Record | None]]


def run(config: BatchConfig) -> int:
    """Upscale what the output lacks, or estimate the cost. Returns the exit code, 1 if any picture has failed.

    Raises ModelError, StorageError, BatchError or OSError if the batch cannot go on.
    """
    config = replace(config, model=find.pinned(config.model))
    config = replace(config, choice=loading.choose(find.model(config.model), config.precision, config.device))
    source, target = places.at(config.place(config.source)), places.at(config.place(config.out))
    if isinstance(target, Listed):
        raise BatchError("OUT is a file, not a folder; give another OUT")
    if isinstance(source, Folder) and isinstance(target, Folder) and followed(source.root) == followed(target.root):
        raise BatchError(f"{config.out} holds the pictures of IN; give another OUT")
    with ExitStack() as stack:
        if isinstance(target, Folder) and not config.dry_run:
            stack.enter_context(locked(target.root))
            target.clean()
            stack.callback(target.clean)
        catalogue = Catalogue(config.naming)
        catalogue.add_pictures(_pictures(source, _inside(config)))
        if catalogue.is_empty():
            raise BatchError(f"{config.source} holds no pictures; give another IN")
        catalogue.add_outputs(_outputs(target))
        catalogue.add_outcomes(_outcomes(target, catalogue, config.retry_failed))
        catalogue.settle()
        if config.dry_run:
            say(estimate.text(catalogue, config))
            return 0
        report = stack.enter_context(closing(_report(target)))
        progress = _work(catalogue, report, config, _engine(config))
    reasons = f"; the report in {config.out} has a sentence on each" if progress.failures else ""
    say(f"{progress.summary()}{reasons}", sys.stderr)
    return 1 if progress.failures else 0


def _work(catalogue: Catalogue, report: Report, config: BatchConfig, work: Work) -> Progress:
    waiting, _ = catalogue.count(WAITING)
    done, _ = catalogue.count(DONE)
    for source, reason in catalogue.refused():
        report.add(Record(source=source, error=f"{source} {_ADVICE[reason]}", reason=reason))
    with Progress(waiting, done, catalogue.failures()) as progress:
        if not waiting:
            return progress
        streak = _Streak()
        with closing(work(catalogue.tasks(), config)) as records:
            for record in records:
                if record is not None:
                    report.add(record)
                progress.add(record)
                streak.check(record)
    return progress


class _Streak:
    """Count of failures of the same kind in a row. Broken pictures are none: a folder may hold a thousand of them."""

    def __init__(self) -> None:
        self._reason, self._length = "", 0

    def check(self, record: Record | None) -> None:
        """Take the next record. Raises BatchError for the tenth failure."""
        counts = record and (record.passing or record.reason == WORKER)
        reason = record.reason if record and counts else ""
        self._length = self._length + 1 if reason == self._reason else 1
        self._reason = reason
        if record and reason and self._length >= _MOST_IN_A_ROW:
            raise BatchError(
                f"{_MOST_IN_A_ROW} pictures in a row failed for the same reason, the last one with: {record.error}; "
                "run the same command again to resume"
            )


def _engine(config: BatchConfig) -> Work:
    if config.engine.name == "ray":
        from cluster.engine import on_ray

        on_ray(config.engine.address).connect(config.engine.address)
        from batch_pipeline.on_ray import records  # which imports Ray, too: not before its environment is set

        return records
    from batch_pipeline import local

    return local.records


def _pictures(source: Place, results: str | None) -> Iterator[Entry]:
    """Yield the files that look like pictures, and all that are named in a list. results: the folder of OUT in IN."""
    for entry in source.entries():
        if results and entry.name.startswith(results):
            continue
        if isinstance(source, Listed) or _looks_like_picture(source, entry.name):
            yield entry


def _looks_like_picture(source: Place, name: str) -> bool:
    if Path(name).suffix.lower() in BY_SUFFIX:
        return True
    try:
        return starts_like_picture(source.head(name))
    except OSError:  # this file's own, as in a folder run; a storage that is gone is a StorageError
        return False


def _inside(config: BatchConfig) -> str | None:
    """Return the name of OUT in IN, with a slash at its end, if it lies there."""
    top, out = (f"{config.resolved(place).rstrip('/')}/" for place in (config.source, config.out))
    return out.removeprefix(top) if out.startswith(top) else None


def _outputs(target: Place) -> Iterator[Entry]:
    if not isinstance(target, Folder) or target.root.exists():
        yield from target.entries()


def _report(target: Place) -> Report:
    return FileReport(target.root / REPORT) if isinstance(target, Folder) else SegmentedReport(target)


def _outcomes(target: Place, catalogue: Catalogue, retry: bool) -> Iterator[tuple[str, str | None]]:
    """Yield the outcomes in the report: a failure's reason, or None for one to try again and for a success."""
    names = filter(target.has, [REPORT]) if isinstance(target, Folder) else catalogue.outputs(SEGMENTS)
    for record in written(target, names):
        counts = record.error is not None and not record.passing and (not retry or record.reason in _ADVICE)
        yield record.source, record.reason if counts else None
