"""XMP, edited as the XML that it is; what is not edited stays as it was written.

The parser is expat's, which computes in linear time; document types, and with them entities, are refused.
"""

from collections.abc import Mapping
from xml.parsers import expat
from xml.sax.saxutils import quoteattr

LONGEST = 1_000_000  # bytes; a JPEG holds 65,502 in one piece
TIFF, EXIF = "http://ns.adobe.com/tiff/1.0/", "http://ns.adobe.com/exif/1.0/"
_SEPARATOR = " "  # which no namespace and no name holds


class XmpError(ValueError):
    """XMP that is too long or not well-formed."""


def edited(xmp: bytes, values: Mapping[tuple[str, str], str], *, remove_location: bool) -> bytes:
    """Set the properties that are there and in `values`, by namespace and name; leave out where a photo was taken.

    Attributes and elements alike. Raises XmpError if the XMP is too long or not well-formed.
    """
    if b"\0" not in xmp[:4]:  # no UTF-16
        xmp = xmp.rstrip(b"\0")  # which some writers put at the end
    if not xmp:
        return b""
    if len(xmp) > LONGEST:
        raise XmpError(f"it has {len(xmp):,} bytes, more than {LONGEST:,}")
    try:
        return _Editor(values, remove_location).run(xmp)
    except (expat.ExpatError, LookupError, ValueError) as error:  # the latter two of an encoding
        raise XmpError(f"it is not well-formed: {error}") from error


class _Editor:
    """Writes what expat reads; an element whose text or all is replaced, is skipped to its end."""

    def __init__(self, values: Mapping[tuple[str, str], str], remove_location: bool) -> None:
        self._values, self._remove_location = values, remove_location
        self._written: list[str] = []
        self._declared: list[str] = []
        self._open: list[str] = []
        self._skipping_from: int | None = None  # depth of the element that is left out
        self._replacing_from: int | None = None  # depth of the element whose text is replaced

    def run(self, xmp: bytes) -> bytes:
        parser = expat.ParserCreate(namespace_separator=_SEPARATOR)
        parser.namespace_prefixes = parser.ordered_attributes = True
        parser.XmlDeclHandler = lambda *_: None  # the encoding is UTF-8 now, which needs no word
        parser.StartDoctypeDeclHandler = _refuse
        parser.StartNamespaceDeclHandler = self._declare
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.DefaultHandler = self._copy
        parser.Parse(xmp, True)
        return "".join(self._written).encode()

    def _declare(self, prefix: str | None, uri: str | None) -> None:
        self._declared.append(f" xmlns{':' if prefix else ''}{prefix or ''}={quoteattr(uri or '')}")

    def _start(self, name: str, attributes: list[str]) -> None:
        declared, self._declared = "".join(self._declared), []
        key, written = _names(name)
        self._open.append(written)
        if self._is_skipping():
            return
        if self._is_location(key):
            self._skipping_from = len(self._open)
            return
        pairs = [(*_names(attribute), value) for attribute, value in zip(*[iter(attributes)] * 2, strict=True)]
        kept = [
            f" {attribute}={quoteattr(self._values.get(own, value))}"
            for own, attribute, value in pairs
            if not self._is_location(own)
        ]
        self._written.append(f"<{written}{declared}{''.join(kept)}>")
        if key in self._values:
            self._written.append(self._values[key])
            self._replacing_from = len(self._open)

    def _end(self, _: str) -> None:
        depth, written = len(self._open), self._open.pop()
        if self._skipping_from == depth:
            self._skipping_from = None
        elif self._replacing_from is None or self._replacing_from == depth:
            self._replacing_from = None
            if self._skipping_from is None:
                self._written.append(f"</{written}>")

    def _copy(self, text: str) -> None:
        if not self._is_skipping():
            self._written.append(text)

    def _is_skipping(self) -> bool:
        return self._skipping_from is not None or self._replacing_from is not None

    def _is_location(self, key: tuple[str, str]) -> bool:
        return self._remove_location and key[0] == EXIF and key[1].startswith("GPS")


def _names(name: str) -> tuple[tuple[str, str], str]:
    """Return (namespace, local name) of what expat calls "uri local prefix", "uri local" or "local"; and as written."""
    parts = name.split(_SEPARATOR)
    uri, local, prefix = ["", *parts, ""] if len(parts) == 1 else [*parts, ""][:3]
    return (uri, local), f"{prefix}:{local}" if prefix else local


def _refuse(*_: object) -> None:
    raise XmpError("it has a document type")
