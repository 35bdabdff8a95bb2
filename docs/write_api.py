"""Write api.md, the reference of what other programs may import: python docs/write_api.py (needs `dev`)"""

import ast
import importlib
import inspect
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

TARGET = Path(__file__).parent / "api.md"

# The public face, and what programs need beside it. No names: everything public that the module defines.
FACE: dict[str, tuple[str, ...]] = {
    "upscaler": (),
    "upscaler.errors": (),
    "upscaler.model.artifact": ("Artifact", "read"),
    "upscaler.model.find": ("model", "model_or_fast"),
    "upscaler.pictures.reading": ("read_rgb8",),
    "upscaler.bicubic": (),
    "upscaler.metrics": (),
}

HEAD = """# API reference
Everything that other programs may import; what is not listed may change in any release. Examples are on the page
[interfaces](interfaces.md). `python docs/write_api.py` writes this page from the docstrings.

Arrays are NumPy arrays. `Pixels` is HWC, sRGB, uint8 or uint16; H, W and C are height, width and channels.
"""


def text() -> str:
    """Return the page."""
    written: set[object] = set()
    sections = (section(importlib.import_module(name), names, written) for name, names in FACE.items())
    return formatted(HEAD + "".join(sections))


def formatted(page: str) -> str:
    """Format the page's code with `ruff format`."""
    command = [sys.executable, "-m", "ruff", "format", "--quiet", "--stdin-filename", TARGET.name, "-"]
    return subprocess.run(command, input=page, capture_output=True, encoding="utf-8", check=True).stdout


def section(module: ModuleType, names: tuple[str, ...], written: set[object]) -> str:
    """Return a module's section, without the objects in `written`; add its own to that set."""
    parts = [f"\n## `{module.__name__}`", summary(inspect.getdoc(module) or "")]
    for name in names or public_names(module):
        found = getattr(module, name)
        if found not in written:
            written.add(found)
            (node,) = ast.parse(textwrap.dedent(inspect.getsource(found))).body
            parts += [f"\n### `{name}`", *described(node)]
    return "\n".join(parts) + "\n"


def public_names(module: ModuleType) -> list[str]:
    """Return the names in `__all__`, else those of the module's public classes and functions."""
    defined = [
        name
        for name, found in vars(module).items()
        if (inspect.isclass(found) or inspect.isfunction(found)) and found.__module__ == module.__name__
    ]
    return list(getattr(module, "__all__", None) or [name for name in defined if not name.startswith("_")])


def summary(docstring: str) -> str:
    """Return the first paragraph of a docstring."""
    return docstring.split("\n\n")[0]


def described(node: ast.AST) -> Iterator[str]:
    """Yield the paragraphs about a class or a function: its outline as code, its docstring, those of its methods."""
    assert isinstance(node, ast.ClassDef | ast.FunctionDef)
    yield "```python\n" + "\n".join(outline(node)) + "\n```"
    yield ast.get_docstring(node) or ""
    for method in public_methods(node):
        yield f"\n#### `{node.name}.{method.name}`\n{ast.get_docstring(method) or ''}"


def outline(node: ast.ClassDef | ast.FunctionDef) -> Iterator[str]:
    """Yield the lines of a declaration, bodies left out; for a class also those of its fields and methods."""
    yield from (f"@{ast.unparse(decorator)}" for decorator in node.decorator_list)
    if isinstance(node, ast.FunctionDef):
        yield signature(node)
        return
    bases = ", ".join(map(ast.unparse, node.bases))
    fields = [ast.unparse(line) for line in node.body if isinstance(line, ast.AnnAssign)]
    inside = fields + [line for method in public_methods(node) for line in outline(method)]
    yield f"class {node.name}{f'({bases})' if bases else ''}:{'' if inside else ' ...'}"
    yield from (textwrap.indent(line, "    ") for line in inside)


def public_methods(node: ast.AST) -> list[ast.FunctionDef]:
    """Return a class's methods without leading underscore, and `__init__`."""
    methods = [method for method in getattr(node, "body", []) if isinstance(method, ast.FunctionDef)]
    return [method for method in methods if method.name == "__init__" or not method.name.startswith("_")]


def signature(node: ast.FunctionDef) -> str:
    """Return a function's name, parameters and result, as in the source."""
    result = f" -> {ast.unparse(node.returns)}" if node.returns else ""
    return f"def {node.name}({ast.unparse(node.args)}){result}: ..."


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))
    TARGET.write_text(text(), encoding="utf-8")
    print(TARGET)
