"""Double pictures from the command line: python -m upscaler IN [IN ...] [-o OUT]."""

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path

from upscaler import images, models
from upscaler.command import one_sentence_errors, sentence_for
from upscaler.errors import DoubleResolutionError, PictureError
from upscaler.files import Options, double_file
from upscaler.upscaler import Upscaler


@dataclass(frozen=True)
class Config:
    """What to double, where to, and how."""

    inputs: tuple[Path, ...]
    out: Path | None
    model: str
    overwrite: bool
    options: Options


def main(arguments: list[str] | None = None) -> None:
    """Run the command line."""
    with one_sentence_errors():
        sys.exit(run(_parse(arguments)))


def run(config: Config) -> int:
    """Double all inputs; a failure does not stop the rest. Returns the exit code."""
    upscaler = Upscaler.load(config.model)
    failures = 0
    for source in config.inputs:
        try:
            _double(upscaler, source, _target(config, source), config)
        except (DoubleResolutionError, OSError) as error:
            failures += 1
            print(f"error: {sentence_for(error) if isinstance(error, OSError) else error}", file=sys.stderr)
    return 1 if failures else 0


def _double(upscaler: Upscaler, source: Path, target: Path, config: Config) -> None:
    if target.exists() and not config.overwrite:
        raise PictureError(f"{target} exists already; give --overwrite or another -o")
    for _ in double_file(upscaler, source, target, config.options):
        pass
    print(target)


def _target(config: Config, source: Path) -> Path:
    if config.out is None:
        return source.with_name(f"{source.stem}_2x{source.suffix}")
    if len(config.inputs) == 1 and config.out.suffix.lower() in images.SUFFIXES:
        return config.out
    return config.out / source.name


def _parse(arguments: list[str] | None) -> Config:
    parser = argparse.ArgumentParser(prog="upscaler", description="Double the width and height of pictures.")
    parser.add_argument("inputs", nargs="+", type=Path, metavar="IN", help="a picture")
    parser.add_argument("-o", "--out", type=Path, metavar="OUT", help="a picture's name, or a folder")
    parser.add_argument(
        "--model", default=models.BUNDLED, help="bundled, an artifact's folder, or user/name of the Hub"
    )
    parser.add_argument("--quality", type=int, default=95, help="of JPEG and WebP, 1 to 100 (default: %(default)s)")
    parser.add_argument("--overwrite", action="store_true", help="replace files that exist")
    given = parser.parse_args(arguments)
    return Config(tuple(given.inputs), given.out, given.model, given.overwrite, Options(quality=given.quality))


if __name__ == "__main__":
    main()
