"""Versions of installed packages."""

from importlib.metadata import PackageNotFoundError, version


def installed(package: str = "double-resolution") -> str:
    """Return the version of a package, "not installed" if it runs from a folder only."""
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"
