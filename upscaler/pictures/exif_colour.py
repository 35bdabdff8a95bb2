"""The colour space that EXIF says: cameras write Adobe RGB without a profile.

Numbers: Exif 3.0, and DCF 2.0 (2010) for the index of interoperability.
"""

from upscaler.pictures.directories import Entry, directory_at, layout_of, number, read_directory
from upscaler.pictures.exif import without_prefix
from upscaler.pictures.exif_tags import COLOUR_SPACE, EXIF_POINTER, INTEROP_INDEX, INTEROP_POINTER

_ADOBE_RGB_SPACE, _ADOBE_RGB_INDEX = 2, b"R03"  # the first is of no standard, but some cameras write it


def is_adobe_rgb(block: bytes) -> bool:
    """Return True if EXIF says that the pixels are Adobe RGB."""
    content = without_prefix(block)
    layout = layout_of(content)
    first = read_directory(content, number(content, layout.first, layout.pointer, layout), layout)
    exif = _below(content, first.entries, EXIF_POINTER)
    interop = _below(content, [*exif, *first.entries], INTEROP_POINTER)
    index = [content[entry.values : entry.values + 3] for entry in interop if entry.tag == INTEROP_INDEX]
    spaces = [number(content, entry.values, "H", layout) for entry in exif if entry.tag == COLOUR_SPACE]
    return index[:1] == [_ADOBE_RGB_INDEX] or spaces[:1] == [_ADOBE_RGB_SPACE]


def _below(content: bytes, entries: list[Entry], pointer: int) -> list[Entry]:
    """Return the entries of the first directory that a pointer among `entries` leads to."""
    layout = layout_of(content)
    places = [directory_at(content, entry, layout) for entry in entries if entry.tag == pointer]
    return read_directory(content, places[0], layout).entries if places else []
