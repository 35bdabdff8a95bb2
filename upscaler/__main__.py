"""Double pictures from the command line: python -m upscaler IN [IN ...] [-o OUT]."""

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from upscaler.command import one_sentence_errors, sentence_for, whole
from upscaler.errors import DoubleResolutionError, PictureError
from upscaler.files import Options, double_file
from upscaler.limits import Limits
from upscaler.model import find
from upscaler.pictures.formats import BY_SUFFIX
from upscaler.targets import Naming, Task, tasks
from upscaler.upscaler import Upscaler


@dataclass(frozen=True)
class UpscaleConfig:
    """What to double, where to, and how."""

    inputs: tuple[Path, ...]
    naming: Naming
    recursive: bool
    overwrite: bool
    model: str
    options: Options


def main(arguments: list[str] | None = None) -> None:
    """Run the command line."""
    with one_sentence_errors():
        sys.exit(run(_parse(arguments)))


def run(config: UpscaleConfig) -> int:
    """Double all inputs; a failure does not stop the rest. Returns the exit code."""
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
        print(f"{len(failures)} of {len(found)} pictures could not be doubled:", *failures, sep="\n", file=sys.stderr)
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


def _parse(arguments: list[str] | None) -> UpscaleConfig:
    parser = argparse.ArgumentParser(prog="double-resolution", description="Double the width and height of pictures.")
    parser.add_argument("inputs", nargs="+", type=Path, metavar="IN", help="a picture, or a folder of pictures")
    parser.add_argument("-o", "--out", type=Path, help="a picture's name, or a folder (default: name_2x beside IN)")
    parser.add_argument("--recursive", action="store_true", help="folders inside folders too")
    parser.add_argument("--overwrite", action="store_true", help="replace files that exist")
    parser.add_argument("--format", choices=[suffix[1:] for suffix in BY_SUFFIX], help="(default: that of OUT or IN)")
    parser.add_argument("--quality", type=whole(1, 100), default=95, help="of JPEG, WebP, AVIF (default: %(default)s)")
    parser.add_argument("--times", type=whole(1, 3), default=1, help="2 for four times the size (default: 1)")
    parser.add_argument("--ensemble-flips", action="store_true", help="average eight flips and turns: slower, better")
    parser.add_argument("--max-pixels", type=float, default=100, metavar="MEGAPIXELS", help="limit (default: 100)")
    parser.add_argument("--model", default=find.wanted(), help=find.NAMES)
    given = parser.parse_args(arguments)
    suffix = f".{given.format}" if given.format else None
    return UpscaleConfig(
        inputs=tuple(given.inputs),
        naming=Naming(given.out, suffix, f"_{2**given.times}x"),
        recursive=given.recursive,
        overwrite=given.overwrite,
        model=given.model,
        options=Options(
            given.quality, given.times, given.ensemble_flips, limits=Limits(pixels=round(given.max_pixels * 1e6))
        ),
    )


if __name__ == "__main__":
    main()
