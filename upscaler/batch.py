"""Pictures upscaled one after another, with a progress bar each."""

import os
import sys
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from upscaler.ahead import ahead
from upscaler.bar import with_bar
from upscaler.command import error_line
from upscaler.config import Options, UpscaleConfig
from upscaler.errors import PictureError
from upscaler.process import UpscalingProcess
from upscaler.streams import escaped, say
from upscaler.targets import Found, Task, find

if TYPE_CHECKING:
    from upscaler.upscaler import Progress

_MOST_NAMED = 10  # of the pictures that were passed over, in the summary

Double = Callable[[Path, Path, Options], "Iterator[Progress]"]  # as double_file, with the model loaded


def run(config: UpscaleConfig) -> int:
    """Upscale all inputs; a failure does not stop the rest. Returns the exit code."""
    found = find(config.inputs, config.naming, config.recursive)
    for sentence in found.refused.values():
        say(error_line(PictureError(sentence)), sys.stderr)
    upscaled, passed_over = _double_all(found, config)
    passed_over += found.refused
    if not found.alone:
        say(escaped(_summary(found, upscaled, passed_over)), sys.stderr)
    return 1 if passed_over else 0


def double_one(double: Double, task: Task, config: UpscaleConfig) -> "Generator[Progress, None, None]":
    """Upscale one picture. Raises PictureError or OSError."""
    if task.target.exists() and not config.overwrite:
        raise PictureError(f"{task.target} exists already; give --overwrite, --skip-existing or another -o")
    changed = task.source.stat().st_mtime_ns
    yield from double(task.source, task.target, config.options)
    if config.keep_time:
        os.utime(task.target, ns=(changed, changed))


def double_here(config: UpscaleConfig) -> Double:
    """Return `double_file` with the model loaded. Raises ModelError."""
    from upscaler.files import double_file  # these bring NumPy and libvips, which only the other process may need
    from upscaler.upscaler import Upscaler

    return partial(double_file, Upscaler.load(config.model, config.precision, config.device))


def _double_all(found: Found, config: UpscaleConfig) -> tuple[int, list[Path]]:
    """Upscale the pictures that are not finished; return the number of results, and the pictures that failed."""
    skips = not config.overwrite and (config.skip_existing or not found.alone)
    if skips and all(map(_is_finished, found.tasks)):
        return 0, []  # without loading the model
    upscaled, failed = 0, []
    unfinished = (task for task in found.tasks if not (skips and _is_finished(task)))
    with (
        _doubling(config, found.alone) as double,
        closing(ahead((task, double_one(double, task, config)) for task in unfinished)) as begun,
    ):
        for task, progress in begun:
            try:
                with_bar(progress, task.source.name)
            except (PictureError, OSError) as error:
                say(error_line(error), sys.stderr)
                failed.append(task.source)
            else:
                say(str(task.target))
                upscaled += 1
    return upscaled, failed


def _is_finished(task: Task) -> bool:
    with suppress(OSError):  # such as a name that is too long, of which writing complains
        return task.target.exists()
    return False


@contextmanager
def _doubling(config: UpscaleConfig, alone: bool) -> Iterator[Double]:
    """Yield what upscales a file: in this process if it is the only one, else in one that may crash."""
    if alone:
        yield double_here(config)
    else:
        with UpscalingProcess(config.model, config.precision, config.device) as process:
            yield process.double


def _summary(found: Found, upscaled: int, passed_over: Sequence[Path]) -> str:
    """Describe a run in one line: "12 upscaled, 3 finished before, 1 passed over: photos/notes.heic"."""
    counts = (
        (len(found.tasks) + len(found.refused) - len(passed_over) - upscaled, "finished before"),
        (found.results, "result of an earlier run" if found.results == 1 else "results of earlier runs"),
        (found.others, "other file" if found.others == 1 else "other files"),
        (len(passed_over), "passed over"),
    )
    line = ", ".join([f"{upscaled} upscaled", *(f"{count} {what}" for count, what in counts if count)])
    named = ", ".join(map(str, passed_over[:_MOST_NAMED]))
    more = f" and {len(passed_over) - _MOST_NAMED} more" if len(passed_over) > _MOST_NAMED else ""
    return f"{line}: {named}{more}" if passed_over else line
