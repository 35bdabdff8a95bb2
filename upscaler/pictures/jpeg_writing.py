"""Writing of JPEGs: the metadata by Pillow, the pixels by libvips, without a copy and in three quarters of the time."""

import io
from collections.abc import Mapping
from typing import Any, BinaryIO

from PIL import Image

from upscaler.pictures.header import Frame
from upscaler.pictures.metadata import Metadata
from upscaler.pictures.vips_writing import target_at, vips_image

_START = b"\xff\xd8"  # of a JPEG
_TABLES = b"\xff\xdb"  # the first segment that is no metadata


def write_jpeg(file: BinaryIO, frame: Frame, options: Mapping[str, Any], quality: int) -> None:
    """Encode a picture into an open, empty file, without chroma subsampling. options: metadata, for Pillow's `save`."""
    metadata = _segments(options)
    file.seek(len(metadata) - len(_START))  # libvips writes the start, too, which the metadata then covers
    vips_image(frame, Metadata()).jpegsave_target(target_at(file), Q=quality, subsample_mode="off", keep="none")
    file.seek(0)
    file.write(metadata)


def _segments(options: Mapping[str, Any]) -> bytes:
    """Return the start of a JPEG, with its metadata."""
    file = io.BytesIO()
    Image.new("L", (1, 1)).save(file, "JPEG", **options)
    written, place = file.getvalue(), len(_START)
    while written[place : place + 2] != _TABLES:
        place += 2 + int.from_bytes(written[place + 2 : place + 4], "big")
    return written[:place]
