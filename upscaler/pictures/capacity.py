"""Metadata that a format has no place for, or no room: they are dropped, and that is said."""

import logging
from dataclasses import replace
from pathlib import Path

from upscaler.pictures.formats import JPEG, Format
from upscaler.pictures.iptc import Iptc
from upscaler.pictures.metadata import Metadata
from upscaler.pictures.png_texts import TEXTS

_JPEG_SEGMENT = 65_500  # bytes of one kind of metadata; the standard's limit of 65,535 includes a name

_log = logging.getLogger(__name__)


def within_capacity(metadata: Metadata, format: Format, path: Path) -> Metadata:
    """Drop what `format` cannot hold, with a warning for each kind that names the source, `path`."""
    texts = sum(len(chunk.data) for chunk in metadata.chunks if chunk.kind in TEXTS)
    for kind, size, without in (
        ("EXIF", len(metadata.exif), {"exif": b""}),
        ("XMP", len(metadata.xmp), {"xmp": b""}),
        ("IPTC", len(metadata.iptc.app13), {"iptc": Iptc()}),
        ("texts", texts, {"chunks": ()}),
        ("comment", len(metadata.comment), {"comment": b""}),
    ):
        if reason := _refusal(kind, size, format):
            _log.warning("%s: dropped its %s, %s", path, kind, reason)
            metadata = replace(metadata, **without)
    return metadata


def _refusal(kind: str, size: int, format: Format) -> str:
    """Return why a format does not take so many bytes of a kind of metadata; "" if it does."""
    if size and kind not in format.holds:
        return f"which {'an' if format.name[0] in 'AEIO' else 'a'} {format} cannot hold"
    if size > _JPEG_SEGMENT and format is JPEG:
        return "which is too long for a JPEG"
    return ""
