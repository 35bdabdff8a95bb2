"""The one boundary of decoders: anything they raise becomes one sentence about the picture."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

from PIL import UnidentifiedImageError

from upscaler.errors import DoubleResolutionError, PictureError, UnknownFormatError
from upscaler.pictures.signatures import LENGTH, unreadable

Source = Path | bytes  # a file, or its content

_log = logging.getLogger(__name__)


@contextmanager
def decoding(source: Source) -> Iterator[None]:
    """Convert what a decoder raises for a broken file into PictureError, or UnknownFormatError if none reads it.

    Errors of the operating system pass, and those of a lack of memory.
    """
    name = name_of(source)
    try:
        yield
    except (DoubleResolutionError, MemoryError):
        raise
    except UnidentifiedImageError as error:
        raise UnknownFormatError(f"{name} {unreadable(_start(source))}") from error
    except Exception as error:  # fuzzing found 20 types, AssertionError and RecursionError among them
        if isinstance(error, OSError) and error.errno is not None:
            raise
        _log.debug("%s: %s", name, type(error).__name__, exc_info=True)
        reason = first_line(error)
        if "support" in reason.lower():
            raise PictureError(f"{name} is of an unsupported kind ({reason}); save it as PNG or TIFF") from error
        raise PictureError(f"{name} is broken ({reason}); download or export it again") from error


def name_of(source: Source) -> str:
    """Name a file in messages."""
    return "the picture" if isinstance(source, bytes) else str(source)


def file_of(source: Source) -> BinaryIO:
    """Open a file, or its content, for reading."""
    return BytesIO(source) if isinstance(source, bytes) else source.open("rb")


def first_line(error: Exception) -> str:
    """Return the first line of an exception's message up to a parenthesis, or its type's name.

    The sentence that quotes it has parentheses of its own.
    """
    message = getattr(error, "detail", "").strip() or str(error).strip() or type(error).__name__
    return message.splitlines()[0].partition(" (")[0]


def _start(source: Source) -> bytes:
    with file_of(source) as file:
        return file.read(LENGTH)
