"""Decoding of a part's pictures, with a reason for each that is unusable."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from upscaler.errors import LimitError, PictureError, UnknownFormatError
from upscaler.limits import Limits
from upscaler.pictures.reading import read_rgb8
from upscaler.pixels import Pixels

# No photo of Open Images has more than 1024x1024 pixels; more is a mistake or an attack.
LIMITS = Limits(pixels=50_000_000, scans=100)


class UnusableError(Exception):
    """Error for an unusable picture; the message is the reason under which it is counted."""


def decode(content: bytes | None) -> Pixels:
    """Decode a picture to HW3 uint8 sRGB, upright. Raises UnusableError.

    `content` is None for a file over the size limit.
    """
    if content is None:
        raise UnusableError("too large")
    with _counted_reasons():
        return read_rgb8(content, LIMITS)


@contextmanager
def _counted_reasons() -> Iterator[None]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # malformed EXIF and the like; sizes are checked
            yield
    except UnknownFormatError as error:
        raise UnusableError("not a picture") from error
    except LimitError as error:
        raise UnusableError("too large") from error
    except (PictureError, OSError) as error:
        raise UnusableError("broken") from error
