"""Limits on the parts of a picture file, checked before a decoder opens it, for decoders trust the file."""

import struct
from contextlib import suppress
from typing import BinaryIO

from PIL import _avif

from upscaler.limits import Limits
from upscaler.pictures.content import Content, check_size, content_of
from upscaler.pictures.directories import check_directories, check_exif, exif_of_avif
from upscaler.pictures.gif_file import check_gif
from upscaler.pictures.jpeg_2000 import check_stream, is_jpeg_2000
from upscaler.pictures.jpeg_file import check_jpeg
from upscaler.pictures.png_file import SIGNATURE, data_of, heads

_ISO_MEDIA = b"ft"  # the beginning of "ftyp", the first box of AVIF and HEIC


def check_parts(file: BinaryIO, name: str, limits: Limits) -> None:
    """Raise LimitError if a JPEG has too many scans or segments, or a GIF too many frames or one outside its screen.

    Also if a GIF or an animated PNG has too many pixels, which Pillow may allocate when it opens them, if the
    directories of a TIFF, or of EXIF in a JPEG or AVIF, refer to far more data than the file has, and if a JPEG 2000
    has far more parts than pixels. Raises PictureError for a JPEG of a kind that libjpeg lacks.
    """
    start = file.read(12)
    if start.startswith(b"\xff\xd8"):
        check_jpeg(content_of(file), name, limits.scans)
    elif start.startswith(SIGNATURE):
        _check_animated_png(file, name, limits)
    elif start.startswith((b"GIF87a", b"GIF89a")):
        check_gif(content_of(file), name, limits)
    elif start[:2] in (b"II", b"MM"):
        check_directories(content_of(file), name)
    elif start[4:6] == _ISO_MEDIA:
        _check_exif_of_avif(content_of(file), name)
    elif is_jpeg_2000(start):
        check_stream(content_of(file), name)
    file.seek(0)


def _check_animated_png(file: BinaryIO, name: str, limits: Limits) -> None:
    size: tuple[int, ...] = 0, 0
    for head in heads(file):
        if head.kind == b"IHDR" and head.length >= 8:
            size = struct.unpack(">II", data_of(file, head)[:8])
        elif head.kind == b"acTL":
            check_size(size, name, limits)
        elif head.kind == b"IDAT":
            return


def _check_exif_of_avif(content: Content, name: str) -> None:
    with suppress(SyntaxError):  # not an AVIF, or a broken one, which Pillow refuses too
        check_exif(exif_of_avif(_avif.AvifDecoder(bytes(content[:]), "auto", 1)), name)
