"""The bytes of a picture file, and the limit on the size that they declare."""

import mmap
from typing import BinaryIO

from upscaler.limits import Limits, check_pixel_limit

Content = mmap.mmap | bytes


def content_of(file: BinaryIO) -> Content:
    """Return all bytes of an open file, mapped if it has a file descriptor."""
    try:
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except OSError:  # BytesIO has no file descriptor
        file.seek(0)
        return file.read()


def check_size(size: tuple[int, ...], name: str, limits: Limits) -> None:
    """Raise LimitError if a picture of this width and height has too many pixels."""
    width, height = size
    check_pixel_limit(width * height, f"{width}x{height} pixels", name, limits)
