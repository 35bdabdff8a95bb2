"""Limits on the parts of a picture file, checked before a decoder opens it.

Decoders trust the file: Pillow allocates the first frame of a GIF and loads EXIF when it opens the file, and libjpeg
decodes every scan of a JPEG at full size. The parsers here take one pass, which ends at the limit.
"""

import mmap
import struct
from collections.abc import Iterator
from contextlib import suppress
from typing import BinaryIO

from PIL import _avif

from upscaler.errors import LimitError, PictureError
from upscaler.limits import Limits, check_frame_limit, check_pixel_limit, exceeds
from upscaler.pictures.directories import check_directories, check_exif
from upscaler.pictures.jpeg_2000 import check_stream, is_jpeg_2000
from upscaler.pictures.png_file import SIGNATURE, data_of, heads

_START_OF_SCAN, _END_OF_IMAGE = 0xDA, 0xD9
_KINDS = {  # of frames that libjpeg lacks, by their markers
    0xC3: "lossless",
    **dict.fromkeys((0xC5, 0xC6, 0xC7, 0xCD, 0xCE, 0xCF), "hierarchical"),
    0xCB: "lossless",
    0xF7: "lossless (JPEG-LS)",
}
_FRAMES = {0xC0, 0xC1, 0xC2, 0xC9, 0xCA}
_STANDALONE_MARKERS = {0x01, *range(0xD0, 0xD9)}  # JPEG markers without a length
_EXIF, _EXIF_NAME = 0xE1, b"Exif\0\0"
_MOST_SEGMENTS = 2_000  # before the first scan, of up to 65 kB each; Pillow keeps a copy and a record of each
_LONGEST_EXIF = 4_000_000  # bytes; Pillow takes quadratic time to join segments
_ISO_MEDIA = b"ft"  # the beginning of "ftyp", the first box of AVIF and HEIC
_AVIF_EXIF = 4  # index in the tuple of Pillow's decoder
_GIF_HEADER = 13
_GIF_EXTENSION, _GIF_FRAME, _GIF_END = b"!,;"
_GIF_COMMENT, _LONGEST_COMMENTS = b"\xfe", 1_000_000  # bytes; Pillow takes quadratic time for comments


def check_parts(file: BinaryIO, name: str, limits: Limits) -> None:
    """Raise LimitError if a JPEG has too many scans or segments, or a GIF too many frames or one outside its screen.

    Also if a GIF or an animated PNG has too many pixels, which Pillow may allocate when it opens them, if the
    directories of a TIFF, or of EXIF in a JPEG or AVIF, refer to far more data than the file has, and if a JPEG 2000
    has far more parts than pixels. Raises PictureError for a JPEG of a kind that libjpeg lacks.
    """
    start = file.read(12)
    if start.startswith(b"\xff\xd8"):
        _check_scans(content_of(file), name, limits.scans)
    elif start.startswith(SIGNATURE):
        _check_animated_png(file, name, limits)
    elif start.startswith((b"GIF87a", b"GIF89a")):
        _check_frames(content_of(file), name, limits)
    elif start[:2] in (b"II", b"MM"):
        check_directories(content_of(file), name)
    elif start[4:6] == _ISO_MEDIA:
        _check_exif_of_avif(content_of(file), name)
    elif is_jpeg_2000(start):
        check_stream(content_of(file), name)
    file.seek(0)


def check_size(size: tuple[int, ...], name: str, limits: Limits) -> None:
    """Raise LimitError if a picture of this width and height has too many pixels."""
    width, height = size
    check_pixel_limit(width * height, f"{width}x{height} pixels", name, limits)


def lacks_end(content: mmap.mmap | bytes) -> bool:
    """Return True if a GIF has no end, as when it is cut off between two frames."""
    return all(kind != _GIF_END for kind, _, _ in _gif_blocks(content))


def content_of(file: BinaryIO) -> mmap.mmap | bytes:
    """Return all bytes of an open file, mapped if it has a file descriptor."""
    try:
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except OSError:  # BytesIO has no file descriptor
        file.seek(0)
        return file.read()


def _check_animated_png(file: BinaryIO, name: str, limits: Limits) -> None:
    size: tuple[int, ...] = 0, 0
    for head in heads(file):
        if head.kind == b"IHDR" and head.length >= 8:
            size = struct.unpack(">II", data_of(file, head)[:8])
        elif head.kind == b"acTL":
            check_size(size, name, limits)
        elif head.kind == b"IDAT":
            return


def _check_scans(content: mmap.mmap | bytes, name: str, most: int | None) -> None:
    scans, segments, place, exif = 0, 0, 2, b""
    while (place := content.find(b"\xff", place)) >= 0:
        place += 1
        kind = content[place] if place < len(content) else _END_OF_IMAGE
        if kind == _END_OF_IMAGE:  # a picture after it is not decoded
            break
        scans += kind == _START_OF_SCAN
        if exceeds(scans, most):
            raise LimitError(f"{name} is a JPEG with more than {most} scans; save it again as a baseline JPEG")
        if kind not in (0x00, 0xFF) and kind not in _STANDALONE_MARKERS:
            length = int.from_bytes(content[place + 1 : place + 3], "big")
            if scans == 0:  # Pillow reads the segments up to the first scan
                _check_kind(kind, content[place + 3 : place + 4], name)
                if kind == _EXIF and content[place + 3 : place + 9] == _EXIF_NAME:
                    exif += content[place + 9 : place + 1 + length]
                segments += 1
                _check_segments(segments, len(exif), name)
            place += 1 + length
    check_exif(exif, name)


def _check_segments(segments: int, exif: int, name: str) -> None:
    """Raise LimitError if a JPEG has too many segments, or too many bytes of EXIF in them."""
    if segments > _MOST_SEGMENTS:
        raise LimitError(f"{name} is a JPEG with more than {_MOST_SEGMENTS:,} segments; export it without metadata")
    if exif > _LONGEST_EXIF:
        raise LimitError(f"{name} has more than 4 MB of EXIF; export it without metadata")


def _check_kind(marker: int, depth: bytes, name: str) -> None:
    """Raise PictureError for a JPEG that libjpeg does not decode."""
    if kind := _KINDS.get(marker):
        raise PictureError(f"{name} is a {kind} JPEG, which is not supported; save it as an ordinary JPEG or as PNG")
    if marker in _FRAMES and depth not in (b"", b"\x08"):
        raise PictureError(
            f"{name} is a JPEG of {depth[0]} bits per channel, which is not supported; save it with 8 bits"
        )


def _check_exif_of_avif(content: mmap.mmap | bytes, name: str) -> None:
    with suppress(SyntaxError):  # not an AVIF, or a broken one, which Pillow refuses too
        check_exif(_avif.AvifDecoder(bytes(content[:]), "auto", 1).get_info()[_AVIF_EXIF] or b"", name)


def _check_frames(content: mmap.mmap | bytes, name: str, limits: Limits) -> None:
    if len(content) < _GIF_HEADER:
        return
    screen, frames, comments = struct.unpack_from("<HH", content, 6), 0, 0
    check_size(screen, name, limits)
    for kind, place, end in _gif_blocks(content):
        if kind == _GIF_EXTENSION:
            comments += (end - place) * (content[place : place + 1] == _GIF_COMMENT)
            if comments > _LONGEST_COMMENTS:
                raise LimitError(f"{name} has more than 1 MB of comments; export it without them")
        elif kind == _GIF_FRAME and place + 9 <= len(content):
            left, top, width, height = struct.unpack_from("<HHHH", content, place)
            if left + width > screen[0] or top + height > screen[1]:
                raise LimitError(
                    f"{name} is a GIF of {screen[0]}x{screen[1]} pixels with a frame outside them; export it again"
                )
            frames += 1
            check_frame_limit(frames, name, limits.frames)


def _gif_blocks(content: mmap.mmap | bytes) -> Iterator[tuple[int, int, int]]:
    """Yield the kind of each block of a GIF up to its end, with the offsets after the kind and after the block."""
    end, kind = _GIF_HEADER + _palette(content[10]), 0
    while kind != _GIF_END and end < len(content):
        kind, place = content[end], end + 1
        if kind == _GIF_EXTENSION:
            end = _after_blocks(content, place + 1)
        elif kind == _GIF_FRAME and place + 9 <= len(content):
            end = _after_blocks(content, place + 9 + _palette(content[place + 8]) + 1)
        else:
            end = place
        yield kind, place, end


def _palette(flags: int) -> int:
    """Return the size in bytes of a GIF's palette."""
    return 3 << (flags & 7) + 1 if flags & 0x80 else 0


def _after_blocks(content: mmap.mmap | bytes, place: int) -> int:
    """Return the offset after a GIF's chain of sub-blocks."""
    while place < len(content) and content[place]:
        place += 1 + content[place]
    return place + 1
