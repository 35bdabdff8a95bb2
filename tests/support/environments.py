"""Virtual environments with some of the distributions installed here: pip would take half a minute for each."""

import shutil
import venv
from collections.abc import Iterable
from importlib.metadata import distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]


def locked(*locks: Path) -> dict[str, str]:
    """Return the versions that lock files pin, by name."""
    lines = [line for lock in locks for line in lock.read_text(encoding="utf-8").splitlines() if line[:1].isalnum()]
    requirements = [Requirement(line.rstrip(" \\")) for line in lines]
    return {
        canonicalize_name(requirement.name): str(requirement.specifier).removeprefix("==")
        for requirement in requirements
        if requirement.marker is None or requirement.marker.evaluate()
    }


def required(name: str, extras: Iterable[str] = ("",)) -> set[str]:
    """Return the names of all distributions that an installed one requires, directly or not, without its own."""
    names: set[str] = set()
    for requirement in map(Requirement, distribution(name).requires or ()):
        marker = requirement.marker
        if marker is None or any(marker.evaluate({"extra": extra}) for extra in extras):
            names |= {canonicalize_name(requirement.name)}
            names |= required(requirement.name, requirement.extras or ("",))
    return names


def create(folder: Path, names: Iterable[str]) -> Path:
    """Create a virtual environment with installed distributions in it; return its Python."""
    venv.create(folder)
    (packages,) = folder.glob("lib/*/site-packages")
    for name in names:
        for file in distribution(name).files or ():
            if ".." not in file.parts:  # a program
                target = packages / file
                target.parent.mkdir(parents=True, exist_ok=True)
                _link_or_copy(Path(str(file.locate())), target)
    return folder / "bin" / "python"


def _link_or_copy(source: Path, target: Path) -> None:
    try:
        target.hardlink_to(source)  # 600 MB that are not written
    except OSError:  # another file system, or another owner's file
        shutil.copy2(source, target)
