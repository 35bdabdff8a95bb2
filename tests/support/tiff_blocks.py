"""EXIF blocks and TIFF files with any tags, written byte by byte."""

import struct

import numpy as np
from numpy.typing import NDArray

from upscaler.pictures.exif_tags import EXIF_POINTER, GPS_POINTER, INTEROP_POINTER

Tag = tuple[int, int, int, bytes]  # tag, type, amount, values

_POINTERS = {"exif": EXIF_POINTER, "gps": GPS_POINTER, "interop": INTEROP_POINTER}


def directory(tags: list[Tag], base: int, order: str, link: int = 0) -> bytes:
    """Return a directory for the place `base`, with its values behind it."""
    written, values = struct.pack(order + "H", len(tags)), b""
    start = base + 2 + 12 * len(tags) + 4
    for tag, kind, amount, value in tags:
        place = struct.pack(order + "I", start + len(values)) if len(value) > 4 else value.ljust(4, b"\0")
        written += struct.pack(order + "HHI", tag, kind, amount) + place
        values += value * (len(value) > 4)
    return written + struct.pack(order + "I", link) + values


def block(tags: list[Tag], order: str = "<", **below: list[Tag]) -> bytes:
    """Return EXIF of a first directory and, by name, those it points at."""
    header = struct.pack(order + "2sHI", b"II" if order == "<" else b"MM", 42, 8)
    first = len(header + directory(tags, 8, order)) + 12 * len(below)
    places, behind = dict[str, int](), b""
    for name, entries in below.items():
        if name == "thumbnail":
            data = b"\xff\xd8thumbnail\xff\xd9"
            entries = [*entries, (513, 4, 1, b""), (514, 4, 1, struct.pack(order + "I", len(data)))]
        places[name] = first + len(behind)
        behind += directory(entries, places[name], order)
    tags = tags + [(_POINTERS[name], 4, 1, struct.pack(order + "I", place)) for name, place in places.items()]
    return header + directory(tags, 8, order) + behind


def shorts(*values: int, order: str = "<") -> bytes:
    """Return values of 16 bits."""
    return struct.pack(f"{order}{len(values)}H", *values)


def tiff(*pages: tuple[NDArray[np.uint8] | NDArray[np.uint16], list[Tag]]) -> bytes:
    """Return a TIFF of uncompressed pages, HWC, each with tags beside those of its pixels, which they replace."""
    content = b"II*\0" + struct.pack("<I", 8)
    for n, (pixels, more) in enumerate(pages):
        height, width, channels = pixels.shape
        stored = pixels.astype(pixels.dtype.newbyteorder("<")).tobytes()
        own: list[Tag] = [
            *((tag, 4, 1, struct.pack("<I", value)) for tag, value in ((256, width), (257, height), (278, height))),
            (258, 3, channels, shorts(*[8 * pixels.itemsize] * channels)),
            *((tag, 3, 1, shorts(value)) for tag, value in ((259, 1), (262, 1 + (channels > 2)), (277, channels))),
            (279, 4, 1, struct.pack("<I", len(stored))),
        ]
        tags = {tag[0]: tag for tag in own + more}
        place = len(content)
        length = len(directory([*tags.values(), (273, 4, 1, b"")], place, "<"))
        tags[273] = (273, 4, 1, struct.pack("<I", place + length))
        after = place + length + len(stored) + len(stored) % 2
        link = after if n < len(pages) - 1 else 0
        content += directory([tags[tag] for tag in sorted(tags)], place, "<", link) + stored + bytes(len(stored) % 2)
    return content
