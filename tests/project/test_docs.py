"""The docs: commands, links and code."""

import ast
import re
import runpy
import sys
import tomllib
from pathlib import Path

import pytest

import upscaler

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "apps").rglob("README.md")])
CLI = runpy.run_path(str(ROOT / "docs" / "write_cli.py"))
API = runpy.run_path(str(ROOT / "docs" / "write_api.py"))


@pytest.mark.slow
@pytest.mark.skipif(sys.version_info[:2] != (3, 11), reason="each Python lays out its help in its own way")
def test_the_page_of_commands_is_up_to_date() -> None:
    page = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")
    assert page == CLI["text"](), "write it anew: python docs/write_cli.py"


def test_every_command_is_on_the_page() -> None:
    packages = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]["packages"]
    programs = {name for name in packages if (ROOT / name.replace(".", "/") / "__main__.py").exists()}
    assert {f"{name}.__main__" for name in programs} <= set(CLI["PROGRAMS"].values())


def test_the_reference_says_what_the_docstrings_say() -> None:
    page = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    assert page == API["text"](), "write it anew: python docs/write_api.py"


def test_every_public_name_is_in_the_reference() -> None:
    headings = re.findall(r"^### `(\w+)`$", (ROOT / "docs" / "api.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert {*upscaler.__all__, "HubUnreachableError", "read_rgb8", "score"} <= set(headings)
    assert len(headings) == len(set(headings))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    targets = re.findall(r"\]\((?!\w+:|#)([^)#\s]+)", text)
    assert [target for target in targets if not (page.parent / target).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_into_a_page_lead_to_a_heading(page: Path) -> None:
    links = re.findall(r"\]\((?!\w+:)([^)#\s]*)#([^)\s]+)\)", page.read_text(encoding="utf-8"))
    assert [
        f"{name}#{anchor}" for name, anchor in links if anchor not in anchors(page.parent / name if name else page)
    ] == []


def anchors(page: Path) -> set[str]:
    """The anchors that GitHub gives to the headings of a page."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_python_in_the_docs_is_python(page: Path) -> None:
    for code in re.findall(r"^```python\n(.*?)^```$", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL):
        ast.parse(re.sub(r"^(\s*)%.*$", r"\1pass", code, flags=re.MULTILINE))  # without IPython's magic commands


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_in_the_docs_exist(page: Path) -> None:
    """Every `python -m` in the docs names a module of the project or a well-known one."""
    modules = set(re.findall(r"python -m ([\w.]+)", page.read_text(encoding="utf-8")))
    unknown = {name for name in modules if not (ROOT / name.replace(".", "/")).exists()}
    assert {name for name in unknown if not (ROOT / f"{name.replace('.', '/')}.py").exists()} <= {
        "pip",
        "pytest",
        "venv",
    }
