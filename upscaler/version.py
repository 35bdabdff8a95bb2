"""Version of the installed package."""

from importlib.metadata import PackageNotFoundError, version


def installed() -> str:
    """Return the version of double-resolution, "not installed" if it runs from a folder only."""
    try:
        return version("double-resolution")
    except PackageNotFoundError:
        return "not installed"
