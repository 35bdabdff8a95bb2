"""XMP editing by a streaming XML parser; unedited text is copied unchanged.

Expat parses in linear time; document types, and with them entities, are refused.
"""

from collections.abc import Mapping
from xml.parsers import expat
from xml.sax.saxutils import quoteattr

LONGEST = 1_000_000  # bytes; one JPEG segment holds 65,502
TIFF, EXIF = "http://ns.adobe.com/tiff/1.0/", "http://ns.adobe.com/exif/1.0/"
_SEPARATOR = " "  # occurs in no namespace and no name


class XmpError(ValueError):
    """Error for XMP that is too long or not well-formed."""


def edited(xmp: bytes, values: Mapping[tuple[str, str], str], *, remove_location: bool) -> bytes:
    """Replace existing properties by `values`, keyed by namespace and name; drop GPS properties if `remove_location`.

    Properties may be attributes or elements. Raises XmpError if the XMP is too long or not well-formed.
    """
    if b"\0" not in xmp[:4]:  # not UTF-16
        xmp = xmp.rstrip(b"\0")  # padding by some writers
    if not xmp:
        return b""
    if len(xmp) > LONGEST:
        raise XmpError(f"it has {len(xmp):,} bytes, more than {LONGEST:,}")
    try:
        return _Editor(values, remove_location).run(xmp)
    except (expat.ExpatError, LookupError, ValueError) as error:  # the latter two for an unknown encoding
        raise XmpError(f"it is not well-formed: {error}") from error


class _Editor:
    """Event handlers of expat that copy XML; elements dropped or replaced are skipped to their end."""

    def __init__(self, values: Mapping[tuple[str, str], str], remove_location: bool) -> None:
        self._values, self._remove_location = values, remove_location
        self._written: list[str] = []
        self._declared: list[str] = []
        self._open: list[str] = []
        self._skipping_from: int | None = None  # depth of the element being dropped
        self._replacing_from: int | None = None  # depth of the element whose text is being replaced

    def run(self, xmp: bytes) -> bytes:
        parser = expat.ParserCreate(namespace_separator=_SEPARATOR)
        parser.namespace_prefixes = parser.ordered_attributes = True
        parser.XmlDeclHandler = lambda *_: None  # the output is UTF-8, the default
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
        edited_attributes = [
            f" {attribute}={quoteattr(self._values.get(attribute_key, value))}"
            for attribute_key, attribute, value in pairs
            if not self._is_location(attribute_key)
        ]
        self._written.append(f"<{written}{declared}{''.join(edited_attributes)}>")
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
    """Split expat's "uri local prefix", "uri local" or "local" into (namespace, local name) and the name as written."""
    parts = name.split(_SEPARATOR)
    uri, local, prefix = ["", *parts, ""] if len(parts) == 1 else [*parts, ""][:3]
    return (uri, local), f"{prefix}:{local}" if prefix else local


def _refuse(*_: object) -> None:
    raise XmpError("it has a document type")
