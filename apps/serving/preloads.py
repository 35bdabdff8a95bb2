"""Links that let the browser load Gradio's chunks at once, instead of one generation of imports after the other."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from apps.serving.gradio_api import gr

_FRONTEND = Path(gr.__file__).parent / "templates" / "frontend"
_IMPORT, _NEEDS = "import(`./", "__vite__mapDeps(["  # of a chunk, and of those that it needs, as places in a table
_LAYOUT = "column"  # around all components, though it is not among them


def links(components: Iterable[str]) -> str:
    """Return links to the scripts and styles that a page with the named components imports, none if Gradio's differ."""
    names = dict.fromkeys(_chunks({*components, _LAYOUT}))
    return "".join(map(_link, names))


def _chunks(components: Iterable[str]) -> Iterator[str]:
    """Yield names of chunks, as Gradio's bundler, Vite, wrote them into its chunks: app, page and components."""
    entry = _between((_FRONTEND / "index.html").read_text(encoding="utf-8"), 'src="./assets/', '"')
    app = list(_imported(entry, "Index-")) if entry else []
    yield from app
    for name in app:
        if name.startswith("Index-") and name.endswith(".js"):
            yield from _imported(name, "Blocks-")
        if name.startswith("core-") and name.endswith(".js"):
            for component in sorted(components):
                yield from _imported(name, "", f",{component}:{{")


def _imported(importer: str, prefix: str, section: str = "") -> Iterator[str]:
    """Yield the first chunk with a prefix that a chunk imports, and what that one needs.

    section: start of a component's entry, to look at that alone.
    """
    source = (_FRONTEND / "assets" / importer).read_text(encoding="utf-8")
    table = [name.strip('"./') for name in _between(source, "m.f=[", "]").split(",")]
    searched = _between(source, section, "}").partition("component:")[2] if section else source
    for imported in searched.split(_IMPORT)[1:]:
        if imported.startswith(prefix):
            yield imported.partition("`")[0]
            yield from (table[int(place)] for place in _between(imported, _NEEDS, "]").split(",") if place)
            return


def _between(text: str, start: str, end: str) -> str:
    return text.partition(start)[2].partition(end)[0]


def _link(name: str) -> str:
    kind = "modulepreload" if name.endswith(".js") else "stylesheet"
    return f'<link rel="{kind}" crossorigin href="./assets/{name}">'
