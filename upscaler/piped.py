"""A picture from standard input, or to standard output: python -m upscaler - < in.jpg > out.jpg"""

import logging
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TextIO

from upscaler.bar import with_bar
from upscaler.batch import double_here, double_one
from upscaler.config import PIPE, UpscaleConfig
from upscaler.errors import PictureError
from upscaler.limits import Limits
from upscaler.pictures.formats import SUFFIXES
from upscaler.pictures.reading import read_format
from upscaler.streams import discard, say
from upscaler.targets import Task

_MOST_BYTES_PER_PIXEL = 16  # four channels of 32 bits, uncompressed
_MOST_METADATA = 100_000_000  # bytes
_CHUNK = 1 << 20


def run(config: UpscaleConfig) -> int:
    """Upscale the only input and return the exit code. Messages name the streams, not the temporary files.

    Raises PictureError.
    """
    with TemporaryDirectory(prefix="double_resolution_") as name, _hidden(f"{name}{os.sep}"):
        _run(config, Path(name))
    return 0


@contextmanager
def _hidden(folder: str) -> Iterator[None]:
    """Leave a folder out of the messages of errors and of what is logged."""
    recorded = logging.getLogRecordFactory()

    def without(*arguments: Any, **options: Any) -> logging.LogRecord:
        record = recorded(*arguments, **options)
        record.msg, record.args = record.getMessage().replace(folder, ""), None
        return record

    logging.setLogRecordFactory(without)
    try:
        yield
    except PictureError as error:
        raise PictureError(str(error).replace(folder, "")) from error
    finally:
        logging.setLogRecordFactory(recorded)


def _run(config: UpscaleConfig, folder: Path) -> None:
    (source,), to_output = config.inputs, config.out in (None, str(PIPE))
    _check_output(config, to_output)
    target = None if to_output else config.naming.target(source, source.parent, alone=True)
    if config.skip_existing and target and target.exists():
        return
    if source == PIPE:
        source = _received(folder / "standard input", config.options.limits)
    target = target or folder / f"standard output{_suffix(source, config)}"
    with_bar(double_one(double_here(config), Task(source, target), config), source.name)
    if to_output:
        _send(target)
    else:
        say(str(target))


def _check_output(config: UpscaleConfig, to_output: bool) -> None:
    if to_output and (lack := _lack(sys.stdout)):
        raise PictureError(f"standard output is {lack}; redirect it, or name the picture with -o")
    if not to_output and (folder := config.naming.folder):
        raise PictureError(f"{config.out} is a folder; name the picture, such as {folder / 'photo.jpg'}")
    if not to_output:
        config.naming.check(alone=True)


def _lack(stream: TextIO | None) -> str:
    """Return why no picture can go through a stream, "" if one can."""
    if stream is None:  # the program was started without it
        return "closed"
    return "a terminal" if stream.isatty() else ""


def _received(path: Path, limits: Limits) -> Path:
    """Write standard input to a file, up to a size that no picture within the limits exceeds."""
    if lack := _lack(sys.stdin):
        raise PictureError(f"standard input is {lack}; redirect a picture into it, as in < photo.jpg")
    most = _MOST_METADATA + _MOST_BYTES_PER_PIXEL * (limits.pixels or 0)
    with path.open("wb") as file:
        while chunk := sys.stdin.buffer.read(_CHUNK):
            file.write(chunk)
            if file.tell() > most:
                raise PictureError(f"{path} has more than {most:,} bytes; give a smaller picture or raise --max-pixels")
        if not file.tell():
            raise PictureError(f"{path} is empty; redirect a picture into it, as in < photo.jpg")
    return path


def _suffix(source: Path, config: UpscaleConfig) -> str:
    """Return the suffix of the chosen format, or of the input's own."""
    if config.naming.suffix:
        return config.naming.suffix
    return SUFFIXES[read_format(source, config.options.limits)]


def _send(path: Path) -> None:
    with path.open("rb") as file:
        try:
            shutil.copyfileobj(file, sys.stdout.buffer)
            sys.stdout.flush()
        except BrokenPipeError:  # the reader has what it wants
            discard(sys.stdout)
