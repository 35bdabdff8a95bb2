"""Regular expressions on untrusted text: all are listed, and fuzzed for linear time."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
GENEROUS = 60.0  # seconds for all inputs of one pattern: a quadratic one takes hours

# Every use of a regular expression in serving code: (module, function of `re`, pattern). A compiled one is used by
# `fullmatch`: a pattern that is linear in a full match may be quadratic in a search.
USES = {
    ("upscaler/command.py", "match", r"[\w.-]+"),
    ("upscaler/command.py", "search", r"""extra == ["'](\w+)"""),
    ("upscaler/model/find.py", "fullmatch", r"(?P<repo>[\w.-]+/[\w.-]+)(@(?P<revision>[\w./-]+))?"),
    ("upscaler/model/hub.py", "compile", "[0-9a-f]{40}"),
    ("apps/monitor/addresses.py", "compile", r"(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.){0,8}nasa\.gov"),
    ("apps/push.py", "sub", r"\]\((?!\w+:|#)"),
}

_FUZZ = """
import re, sys
pattern = re.compile(sys.argv[2], re.IGNORECASE)
others = {"sub": lambda text: pattern.sub("", text), "match": pattern.match, "search": pattern.search}
use = others.get(sys.argv[1], pattern.fullmatch)
units = " ", "\\n", "a", "a/", "-", "a@", "@", "<", ">", "<br", "<br ", "<br/", "<br>", "<p", "<p ", "</p", "<div a",
units += "a.", "0", "a-a.", "<br> ", "](", "](a", "](a:", "#", "Explanation:", "Explanation: ", " <p a=b"
for unit in units:
    for start, end in ("", ""), ("<br", "!"), ("a/", "!"), ("<br>", "<"), ("](", ""):
        text = start + unit * (1_000_000 // len(unit)) + end
        use(text)
"""


def uses(path: Path) -> Iterator[tuple[str, str, str]]:
    """Yield each call of `re`; a pattern that is not a literal is "?"."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        assert not (isinstance(node, ast.ImportFrom) and node.module == "re"), "use re.name, or this test is blind"
        match node:
            case ast.Call(
                func=ast.Attribute(value=ast.Name(id="re"), attr=name), args=[ast.Constant(value=str(pattern)), *_]
            ):
                yield str(path.relative_to(ROOT)), name, pattern
            case ast.Call(func=ast.Attribute(value=ast.Name(id="re"), attr=name)):
                yield str(path.relative_to(ROOT)), name, "?"


def test_every_pattern_is_listed() -> None:
    paths = [path for folder in ("upscaler", "apps") for path in sorted((ROOT / folder).rglob("*.py"))]
    assert {use for path in paths for use in uses(path)} == USES


@pytest.mark.slow
@pytest.mark.parametrize(("function", "pattern"), sorted({use[1:] for use in USES}))
def test_a_megabyte_takes_linear_time(function: str, pattern: str) -> None:
    subprocess.run([sys.executable, "-c", _FUZZ, function, pattern], timeout=GENEROUS, check=True)
