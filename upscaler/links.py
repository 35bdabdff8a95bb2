"""Symbolic links, which may lead nowhere or in a circle."""

import os
from pathlib import Path


def followed(path: Path) -> Path:
    """Return the absolute path behind all links, those that lead in a circle left as they are.

    `Path.resolve` raises RuntimeError for such links before Python 3.13; opening the path raises the usual OSError.
    """
    return Path(os.path.realpath(path))


def leads_nowhere(entry: os.DirEntry[str]) -> bool:
    """Return True for a link that leads to nothing, or in a circle."""
    return entry.is_symlink() and not Path(entry.path).exists()
