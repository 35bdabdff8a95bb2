"""Several pictures upscaled, one after another, with a progress bar each."""

import sys

from tqdm import tqdm

from upscaler.command import sentence_for
from upscaler.config import UpscaleConfig
from upscaler.errors import DoubleResolutionError, PictureError
from upscaler.files import double_file
from upscaler.targets import Task, tasks
from upscaler.upscaler import Upscaler


def run(config: UpscaleConfig) -> int:
    """Upscale all inputs; a failure does not stop the rest. Returns the exit code."""
    found = tasks(config.inputs, config.naming, config.recursive)
    upscaler = Upscaler.load(config.model)
    failures = []
    for task in found:
        try:
            _double(upscaler, task, config)
        except (DoubleResolutionError, OSError) as error:
            failures.append(f"error: {sentence_for(error) if isinstance(error, OSError) else error}")
            print(failures[-1], file=sys.stderr)
    if failures and len(found) > 1:
        print(f"{len(failures)} of {len(found)} pictures could not be upscaled:", *failures, sep="\n", file=sys.stderr)
    return 1 if failures else 0


def _double(upscaler: Upscaler, task: Task, config: UpscaleConfig) -> None:
    if task.target.exists() and not config.overwrite:
        raise PictureError(f"{task.target} exists already; give --overwrite or another -o")
    form = "{desc}: {percentage:3.0f} %|{bar}| {rate_noinv_fmt}, {remaining} left"
    with tqdm(desc=task.source.name, unit=" MP", bar_format=form, disable=None, leave=False) as bar:
        for progress in double_file(upscaler, task.source, task.target, config.options):
            bar.total = progress.megapixels / progress.share
            bar.update(progress.megapixels - bar.n)
    print(task.target)
