"""XMP that follows the picture."""

from upscaler.pictures import xmp_names as ns
from upscaler.pictures.geometry import Geometry
from upscaler.pictures.orientation import ORIENTATIONS
from upscaler.pictures.xml_tree import Document, XmlError, parse, written
from upscaler.pictures.xmp_attachments import remove_attachments
from upscaler.pictures.xmp_location import without_location
from upscaler.pictures.xmp_pixels import follow

LONGEST = 1_000_000  # bytes; a JPEG holds 65,502 in one piece


class XmpError(ValueError):
    """XMP that is too long or not well-formed."""


def followed(xmp: bytes, geometry: Geometry, *, remove_location: bool) -> tuple[bytes, list[str]]:
    """Return the XMP of the result, and a sentence on each attached file that is gone.

    Sizes, regions and orientation follow `geometry`; what points at bytes beside the picture is left out. With
    `remove_location` only what is known to name no place is kept, which is not said. Raises XmpError.
    """
    xmp = _without_padding(xmp)
    if not xmp:
        return b"", []
    document = _parsed(xmp)
    warnings = remove_attachments(document)
    follow(document, geometry)
    kept = without_location(document) if remove_location else document
    return written(kept) if kept else b"", warnings


def orientation(xmp: bytes) -> int | None:
    """Return the orientation that XMP says of the picture, 1 to 8; None if it says none. Raises XmpError."""
    if not (xmp := _without_padding(xmp)):
        return None
    descriptions = _parsed(xmp).root.outermost((ns.RDF, "Description"))
    said = [part.value for description in descriptions for part in description.parts if part.name == ns.ORIENTATION]
    return next((int(value) for value in said if value in map(str, ORIENTATIONS)), None)


def _without_padding(xmp: bytes) -> bytes:
    """Leave out zeros that some writers put at the end; those of UTF-16 stay."""
    return xmp if b"\0" in xmp[:4] else xmp.rstrip(b"\0")


def _parsed(xmp: bytes) -> Document:
    if len(xmp) > LONGEST:
        raise XmpError(f"it has {len(xmp):,} bytes, more than {LONGEST:,}")
    try:
        return parse(xmp)
    except XmlError as error:
        raise XmpError(f"it is not well-formed: {error}") from error
