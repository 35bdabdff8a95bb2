"""Lock files: complete, with hashes, independent of the machine, and consistent with pyproject.toml."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from apps.serving.floors import FLOORS

ROOT = Path(__file__).parents[2]
CONSTRAINTS = ROOT / "requirements" / "colab.txt"
LOCKS = sorted(set((ROOT / "requirements").glob("*.txt")) - {CONSTRAINTS})
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
SERVING = PROJECT["project"]["dependencies"]
EXTRAS = [line for extra in PROJECT["project"]["optional-dependencies"].values() for line in extra]
ASKED = {
    "serving": SERVING,
    "everything": SERVING + EXTRAS,
    "build": PROJECT["dependency-groups"]["build"],
    "release": PROJECT["dependency-groups"]["release"],
}


def entries(lock: Path) -> list[str]:
    """Return the entries of a lock file, each with its continuation lines."""
    text = lock.read_text(encoding="utf-8").replace("\\\n", " ")
    return [line for line in text.splitlines() if line and not line.startswith("#")]


def pins(lock: Path) -> dict[str, set[str]]:
    """Return the versions of each package; the entries' markers choose one."""
    found: dict[str, set[str]] = {}
    for entry in entries(lock):
        wanted = Requirement(entry.split(" --hash=")[0])
        (pin,) = wanted.specifier
        assert pin.operator == "=="
        found.setdefault(canonicalize_name(wanted.name), set()).add(pin.version)
    return found


def test_every_list_of_the_project_has_its_lock() -> None:
    assert {lock.stem for lock in LOCKS} == set(ASKED)


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.stem)
def test_every_entry_is_a_version_with_hashes_and_nothing_else(lock: Path) -> None:
    hashed = re.compile(r"[a-z0-9.-]+==\S+( ; [^#@]+?)?(\s+--hash=sha256:[0-9a-f]{64})+")
    assert [entry for entry in entries(lock) if not hashed.fullmatch(entry)] == []


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.stem)
def test_a_lock_allows_what_the_project_asks_for(lock: Path) -> None:
    pinned = pins(lock)
    for wanted in map(Requirement, ASKED[lock.stem]):
        versions = pinned.get(canonicalize_name(wanted.name), set())
        assert versions, f"{wanted.name} is not locked: run make lock"
        assert all(wanted.specifier.contains(version) for version in versions), f"{wanted}: run make lock"


def test_the_project_allows_what_colab_has() -> None:
    older = {one.name: one for one in map(Requirement, entries(CONSTRAINTS))}
    asked = [wanted for wanted in map(Requirement, SERVING + EXTRAS) if wanted.name in older]
    assert {wanted.name for wanted in asked} == older.keys()
    for wanted in asked:
        (pin,) = older[wanted.name].specifier
        assert wanted.specifier.contains(pin.version), f"{wanted} makes a notebook reinstall {wanted.name} on Colab"


def test_what_strangers_are_served_with_is_locked_above_its_floor() -> None:
    locked = pins(ROOT / "requirements" / "serving.txt")
    assert {name: floor for name, floor in FLOORS.items() if min(map(Version, locked[name])) < Version(floor)} == {}


def test_serving_has_the_tested_versions() -> None:
    tested = pins(ROOT / "requirements" / "everything.txt")
    assert pins(ROOT / "requirements" / "serving.txt").items() <= tested.items()


def test_serving_needs_no_torch() -> None:
    assert not {"torch", "boto3", "onnx", "ray"} & pins(ROOT / "requirements" / "serving.txt").keys()
