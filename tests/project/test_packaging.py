"""The packages' metadata: types for those who import them, and the Pythons that CI tests."""

import re
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
SETUPTOOLS = PYPROJECT["tool"]["setuptools"]


def test_every_package_is_declared() -> None:
    tops = {name.split(".")[0] for name in SETUPTOOLS["packages"]}
    found = {path.parent.relative_to(ROOT) for top in tops for path in (ROOT / top).rglob("__init__.py")}
    assert {".".join(folder.parts) for folder in found} == set(SETUPTOOLS["packages"])


@pytest.mark.parametrize("package", SETUPTOOLS["packages"])
def test_every_package_says_that_it_is_typed(package: str) -> None:
    assert (ROOT / package.replace(".", "/") / "py.typed").exists()
    assert "py.typed" in SETUPTOOLS["package-data"]["*"]


def test_ci_tests_the_pythons_that_are_promised() -> None:
    kind = "Programming Language :: Python :: 3."
    promised = {line.removeprefix(kind) for line in PYPROJECT["project"]["classifiers"] if line.startswith(kind)}
    jobs = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text(encoding="utf-8"))["jobs"]
    (locked,) = re.findall(r"^python:3\.(\d+)", jobs["check-and-test"]["container"])
    newer = {python.removeprefix("3.") for python in jobs["newer-pythons"]["strategy"]["matrix"]["python"]}
    assert promised == {locked} | newer
    assert PYPROJECT["project"]["requires-python"] == f">=3.{min(promised, key=int)}"
