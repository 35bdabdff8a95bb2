"""Bounds on the segments and scans of a JPEG, before libjpeg decodes every scan at full size."""

import re

from upscaler.errors import LimitError, PictureError
from upscaler.limits import exceeds
from upscaler.pictures.content import Content
from upscaler.pictures.directories import check_exif

_START_OF_SCAN, _END_OF_IMAGE = 0xDA, 0xD9
_KINDS = {  # of frames that libjpeg lacks, by their markers
    0xC3: "lossless",
    **dict.fromkeys((0xC5, 0xC6, 0xC7, 0xCD, 0xCE, 0xCF), "hierarchical"),
    0xCB: "lossless",
    0xF7: "lossless (JPEG-LS)",
}
_FRAMES = {0xC0, 0xC1, 0xC2, 0xC9, 0xCA}
_MARKER = re.compile(rb"\xff[^\x00\x01\xd0-\xd8\xff]")  # of a segment, or the end; others have no length
_EXIF, _EXIF_NAME = 0xE1, b"Exif\0\0"
_MOST_SEGMENTS = 2_000  # before the first scan, of up to 65 kB each; Pillow keeps a copy and a record of each
_MOST_BETWEEN = 100_000  # bytes outside of segments before the first scan; Pillow takes 0.15 s for each million
_LONGEST_EXIF = 4_000_000  # bytes; Pillow takes quadratic time to join segments


def check_jpeg(content: Content, name: str, most: int | None) -> None:
    """Check one that has up to `most` scans, in one pass, which ends at the limit.

    Raises LimitError if it has more, or too many segments, bytes between them or bytes of EXIF; PictureError for a kind
    that libjpeg lacks.
    """
    scans, segments, between, place, exif = 0, 0, 0, 2, b""
    while True:
        found = _MARKER.search(content, place)
        after = found.end() if found else len(content)
        between += 0 if scans else after - place
        _check_segments(segments, between, len(exif), name)
        if not found:
            break
        kind, place = found.group()[1], after
        if kind == _END_OF_IMAGE:
            if scans:  # a picture after it is not decoded
                break
            continue  # to the first scan, as Pillow does
        scans += kind == _START_OF_SCAN
        if exceeds(scans, most):
            raise LimitError(f"{name} is a JPEG with more than {most} scans; save it again as a baseline JPEG")
        length = int.from_bytes(content[place : place + 2], "big")
        if scans == 0:  # Pillow reads the segments up to the first scan
            _check_kind(kind, content[place + 2 : place + 3], name)
            if kind == _EXIF and content[place + 2 : place + 8] == _EXIF_NAME:
                exif += content[place + 8 : place + length]
            segments += 1
        place += length
    check_exif(exif, name)


def _check_segments(segments: int, between: int, exif: int, name: str) -> None:
    """Raise LimitError if a JPEG has too many segments, or too many bytes between them or of EXIF in them."""
    if between > _MOST_BETWEEN:
        raise LimitError(f"{name} is a JPEG with more than 100 kB between its segments; save it again")
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
