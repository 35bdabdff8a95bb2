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
# `fullmatch`, or has a fixed length: one that is linear in a full match may be quadratic in a search.
USES = {
    ("upscaler/model/find.py", "fullmatch", r"(?P<repo>[\w.-]+/[\w.-]+)(@(?P<revision>[\w./-]+))?"),
    ("upscaler/model/hub.py", "compile", "[0-9a-f]{40}"),
    ("apps/monitor/addresses.py", "compile", r"(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.){0,8}nasa\.gov"),
    ("upscaler/pictures/jpeg_file.py", "compile", r"\xff[^\x00\x01\xd0-\xd8\xff]"),
    ("upscaler/pictures/places.py", "findall", r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])"),
    (
        "upscaler/pictures/places.py",
        "search",
        r"\b(?i:(?:gps|geo)\w{0,20}|lat|latitude|lon|lng|long|longitude)[\"']?\s{0,3}[:=]\s{0,3}[\"']?[-+]?\d"
        r"|\d\s{0,3}(?:\u00b0|\u00ba|deg\b)\s{0,3}(?:\d|[NSEW]\b)|\d\.\d{3,12}\s{0,3}[\u00b0\u00ba]"
        r"|\d,\d{1,2}(?:[.,]\d{1,12})?[NSEW]\b"
        r"|\d(?:\.\d{3,12}|,\d{4,12})\s{0,3}[NSEW]\b|\b[NSEW]\s{0,3}\d{1,3}(?:\.\d{3}|,\d{4})"
        r"|[-+]\d{2,6}\.\d{2,12}[-+]\d{3,7}\.\d"
        r"|[1-9]\d?(?:\.\d{3,12}|,\d{4,12})[\s,;/|]{1,3}[-+]?\d{1,3}(?:\.\d{3}|,\d{4})"
        r"|\b0(?:\.\d{3,12}|,\d{4,12})[\s,;/|]{1,3}[-+]?[1-9]\d{0,2}(?:\.\d{3}|,\d{4})",
    ),
    ("apps/serving/head.py", "compile", r'<meta\s+(?:property="og:|name="twitter:)[^>]*>'),
    ("apps/push.py", "sub", r"\]\((?!\w+:|#)"),
}

_FUZZ = """
import re, sys
pattern = re.compile(sys.argv[2], re.IGNORECASE)
uses = {
    "sub": lambda text: pattern.sub("", text),
    "findall": pattern.findall,
    "search": pattern.search,
}
use = uses.get(sys.argv[1], pattern.fullmatch)
units = " ", "\\n", "a", "a/", "-", "a@", "@", "<", ">", "<br", "<br ", "<br/", "<br>", "<p", "<p ", "</p", "<div a",
units += "0.", "1.1234", "1,1234,", "geo", "lat", "gps:", "+11.11", "N 1", "1 deg ", "0", "a.",
units += "a-a.", "<br> ", "](", "](a", "](a:", "#", "Explanation:", "Explanation: ", " <p a=b"
length = 100_000 if sys.argv[1] in ("search", "findall") else 1_000_000  # starting at every byte is slower
for unit in units:
    for start, end in ("", ""), ("<br", "!"), ("a/", "!"), ("<br>", "<"), ("](", ""):
        text = start + unit * (length // len(unit)) + end
        use(text)
"""


def uses(path: Path) -> Iterator[tuple[str, str, str]]:
    """Yield each call of `re`; a pattern that is not a literal is "?"."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        assert not (isinstance(node, ast.ImportFrom) and node.module == "re"), "use re.name, or this test is blind"
        match node:
            case ast.Call(
                func=ast.Attribute(value=ast.Name(id="re"), attr=name),
                args=[ast.Constant(value=(str() | bytes()) as pattern), *_],
            ):
                yield str(path.relative_to(ROOT)), name, pattern if isinstance(pattern, str) else pattern.decode()
            case ast.Call(func=ast.Attribute(value=ast.Name(id="re"), attr=name)):
                yield str(path.relative_to(ROOT)), name, "?"


def test_every_pattern_is_listed() -> None:
    paths = [path for folder in ("upscaler", "apps") for path in sorted((ROOT / folder).rglob("*.py"))]
    assert {use for path in paths for use in uses(path)} == USES


@pytest.mark.slow
@pytest.mark.parametrize(("function", "pattern"), sorted({use[1:] for use in USES}))
def test_a_megabyte_takes_linear_time(function: str, pattern: str) -> None:
    subprocess.run([sys.executable, "-c", _FUZZ, function, pattern], timeout=GENEROUS, check=True)
