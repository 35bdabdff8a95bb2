"""Docstrings of the packages, the benchmarks and the scripts of the docs."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = (
    "upscaler",
    "batch_pipeline",
    "feature_pipeline",
    "training_pipeline",
    "ensemble_pipeline",
    "cluster",
    "apps",
    "benchmarks",
    "docs",
)
FORBIDDEN_STARTS = ("What", "How", "Which", "Whether", "Where", "That", "As", "Why")

Definition = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


def public_definitions(node: Definition, name: str) -> Iterator[tuple[str, Definition]]:
    """Yield a module or class and its public classes and functions, with qualified names.

    Functions inside functions are not public. Special methods and overrides of a base class need no docstring.
    """
    yield name, node
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and not child.name.startswith("_"):
            if isinstance(child, ast.ClassDef):
                yield from public_definitions(child, f"{name}.{child.name}")
            elif not (isinstance(node, ast.ClassDef) and node.bases):
                yield f"{name}.{child.name}", child


def all_docstrings(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Yield the line number and docstring of every definition, private ones included."""
    for node in ast.walk(tree):
        if isinstance(node, Definition) and (docstring := ast.get_docstring(node)):
            yield getattr(node, "lineno", 1), docstring


def modules(folder: str) -> Iterator[tuple[str, ast.Module]]:
    """Parse the modules of a folder; yield their paths and syntax trees."""
    for path in sorted((ROOT / folder).rglob("*.py")):
        yield path.relative_to(ROOT).as_posix(), ast.parse(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("folder", FOLDERS)
def test_public_definitions_have_docstrings(folder: str) -> None:
    definitions = [found for name, tree in modules(folder) for found in public_definitions(tree, name)]
    assert definitions
    assert not [name for name, node in definitions if not ast.get_docstring(node)]


@pytest.mark.parametrize("folder", FOLDERS)
def test_docstrings_name_or_state_and_do_not_ask(folder: str) -> None:
    forbidden = re.compile(rf"(?:{'|'.join(FORBIDDEN_STARTS)})\b")
    docstrings = [(name, *found) for name, tree in modules(folder) for found in all_docstrings(tree)]
    assert docstrings
    assert not [f"{name}:{line}: {text[:80]}" for name, line, text in docstrings if forbidden.match(text)]
