"""XML as a tree that is written again with the same infoset.

The parser is expat's, which computes in linear time; document types, and with them entities, are refused.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from xml.parsers import expat
from xml.sax.saxutils import escape, quoteattr

DEEPEST = 40  # elements in one another; XMP of cameras and programs has up to 20
_SEPARATOR = " "  # which no namespace and no name holds

Name = tuple[str, str]  # namespace, local name


class XmlError(ValueError):
    """XML that is not well-formed, too deep, or has a document type."""


@dataclass(slots=True)
class Attribute:
    """An attribute; `written` is its name with the prefix."""

    name: Name
    written: str
    value: str


@dataclass(slots=True)
class Markup:
    """A comment or a processing instruction, as written."""

    text: str


@dataclass(slots=True)
class Element:
    """An element with the namespaces it declares, as written; text among the children is decoded."""

    name: Name
    written: str
    declared: str
    attributes: list[Attribute]
    children: list["Element | Markup | str"] = field(default_factory=list)

    @property
    def elements(self) -> list["Element"]:
        """The children that are elements."""
        return [child for child in self.children if isinstance(child, Element)]

    @property
    def value(self) -> str:
        """The text directly in it."""
        return "".join(child for child in self.children if isinstance(child, str))

    @value.setter
    def value(self, text: str) -> None:
        """Replace all children by a text."""
        self.children = [text]

    @property
    def parts(self) -> list["Attribute | Element"]:
        """Attributes and child elements, which RDF reads alike."""
        return [*self.attributes, *self.elements]

    @property
    def fields(self) -> dict[Name, "Attribute | Element"]:
        """The parts by their names, of which each is there once in a structure."""
        return {part.name: part for part in self.parts}

    def walk(self) -> Iterator["Element"]:
        """The element and all in it, in document order."""
        waiting = [self]
        while waiting:
            element = waiting.pop()
            yield element
            waiting.extend(reversed(element.elements))

    def outermost(self, name: Name) -> Iterator["Element"]:
        """The elements of a name in it, but none in another of them."""
        waiting = self.elements
        while waiting:
            element = waiting.pop()
            if element.name == name:
                yield element
            else:
                waiting.extend(element.elements)

    def prune(self, is_gone: Callable[["Attribute | Element"], bool]) -> None:
        """Leave out attributes and elements, the outer before the inner."""
        for element in self.walk():
            element.attributes = [attribute for attribute in element.attributes if not is_gone(attribute)]
            element.children = [
                child for child in element.children if not (isinstance(child, Element) and is_gone(child))
            ]


@dataclass(slots=True)
class Document:
    """A root element, and the markup before and after it; blanks there are no part of an infoset."""

    root: Element
    before: list[Markup] = field(default_factory=list)
    after: list[Markup] = field(default_factory=list)


def parse(xml: bytes) -> Document:
    """Read a document. Raises XmlError."""
    try:
        return _Builder().run(xml)
    except (expat.ExpatError, LookupError, ValueError) as error:  # the latter two of an encoding
        raise XmlError(str(error)) from error


def written(document: Document) -> bytes:
    """Return a document as UTF-8."""
    parts: list[str] = []
    nodes: list[Element | Markup] = [*document.before, document.root, *document.after]
    for node in nodes:
        _write(node, parts)
    return "".join(parts).encode()


def _write(node: Element | Markup | str, parts: list[str]) -> None:
    if isinstance(node, str):
        parts.append(escape(node, {"\r": "&#13;"}))
    elif isinstance(node, Markup):
        parts.append(node.text)
    else:
        own = "".join(f" {attribute.written}={quoteattr(attribute.value)}" for attribute in node.attributes)
        parts.append(f"<{node.written}{node.declared}{own}>")
        for child in node.children:
            _write(child, parts)
        parts.append(f"</{node.written}>")


class _Builder:
    """Builder of a tree from expat's events."""

    def __init__(self) -> None:
        self._top = Element(("", ""), "", "", [])
        self._open = [self._top]
        self._declared: list[str] = []

    def run(self, xml: bytes) -> Document:
        parser = expat.ParserCreate(namespace_separator=_SEPARATOR)
        parser.namespace_prefixes = parser.ordered_attributes = parser.buffer_text = True
        parser.StartDoctypeDeclHandler = _refuse
        parser.StartNamespaceDeclHandler = self._declare
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._add
        parser.CommentHandler = lambda text: self._add(Markup(f"<!--{text}-->"))
        parser.ProcessingInstructionHandler = lambda name, text: self._add(Markup(f"<?{name} {text}?>"))
        parser.Parse(xml, True)
        nodes = self._top.children
        place = next(place for place, node in enumerate(nodes) if isinstance(node, Element))
        return Document(self._top.elements[0], _markup(nodes[:place]), _markup(nodes[place + 1 :]))

    def _declare(self, prefix: str | None, uri: str | None) -> None:
        self._declared.append(f" xmlns{':' if prefix else ''}{prefix or ''}={quoteattr(uri or '')}")

    def _start(self, name: str, attributes: list[str]) -> None:
        if len(self._open) > DEEPEST:
            raise XmlError(f"more than {DEEPEST} elements lie in one another")
        declared, self._declared = "".join(self._declared), []
        pairs = zip(*[iter(attributes)] * 2, strict=True)
        element = Element(*_names(name), declared, [Attribute(*_names(own), value) for own, value in pairs])
        self._add(element)
        self._open.append(element)

    def _end(self, _: str) -> None:
        self._open.pop()

    def _add(self, node: Element | Markup | str) -> None:
        self._open[-1].children.append(node)


def _markup(nodes: Sequence[Element | Markup | str]) -> list[Markup]:
    return [node for node in nodes if isinstance(node, Markup)]


def _names(name: str) -> tuple[Name, str]:
    """Return (namespace, local name) of what expat calls "uri local prefix", "uri local" or "local"; and as written."""
    parts = name.split(_SEPARATOR)
    uri, local, prefix = ["", *parts, ""] if len(parts) == 1 else [*parts, ""][:3]
    return (uri, local), f"{prefix}:{local}" if prefix else local


def _refuse(*_: object) -> None:
    raise XmlError("it has a document type")
