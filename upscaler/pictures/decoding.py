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
from upscaler.pictures.vips import forget_errors, pyvips
from upscaler.quoting import first_line

Source = Path | bytes  # a file, or its content

_OF_PILLOW = (OSError, SyntaxError, ValueError)  # SyntaxError is for a broken PNG
_OF_CODE = (  # the beginning of what Pillow says of its own parts
    "buffer is not large enough",
    "codec configuration error when reading image file",
    "could not create decoder object",
    "decoder error",
    "tile cannot extend outside image",
    "unknown raw mode for given image mode",
)
_SEARCH = "bad seek"  # in messages of libvips about places that it tries beyond the end, of good AVIFs as well
_log = logging.getLogger(__name__)


@contextmanager
def decoding(source: Source) -> Iterator[None]:
    """Convert what a decoder raises for a broken file into PictureError, or UnknownFormatError if none reads it.

    Errors of the operating system pass, and those of a lack of memory.
    """
    name = name_of(source)
    forget_errors()
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
        reason = reason_of(error, "its content is damaged")
        if "support" in reason.lower():
            raise PictureError(f"{name} is of an unsupported kind ({reason}); save it as PNG or TIFF") from error
        raise PictureError(f"{name} is broken ({reason}); download or export it again") from error


def name_of(source: Source) -> str:
    """Name a file in messages."""
    return "the picture" if isinstance(source, bytes) else str(source)


def file_of(source: Source) -> BinaryIO:
    """Open a file, or its content, for reading."""
    return BytesIO(source) if isinstance(source, bytes) else source.open("rb")


def reason_of(error: Exception, otherwise: str) -> str:
    """Return the first line of what Pillow or libvips says, up to a parenthesis, for a sentence in parentheses.

    otherwise: the reason if they say none; other exceptions speak of code, such as an index out of range.
    """
    if isinstance(error, pyvips.Error):
        lines = [line.strip() for line in error.detail.splitlines() if _SEARCH not in line]
        message = next(filter(None, lines), "")  # beside `detail`, pyvips only names the function it called
    else:
        is_quoted = isinstance(error, _OF_PILLOW) and not isinstance(error, UnicodeError)
        message = first_line(error) if is_quoted and not str(error).startswith(_OF_CODE) else ""
    return message.partition(" (")[0] or otherwise


def _start(source: Source) -> bytes:
    with file_of(source) as file:
        return file.read(LENGTH)
