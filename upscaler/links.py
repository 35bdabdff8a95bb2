"""Symbolic links, which may lead nowhere or in a circle."""

import errno
import os
from pathlib import Path

_NOWHERE = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP)  # others tell of files that may not be reached


def followed(path: Path) -> Path:
    """Return the absolute path behind all links, those that lead in a circle left as they are.

    `Path.resolve` raises RuntimeError for such links before Python 3.13; opening the path raises the usual OSError.
    """
    return Path(os.path.realpath(path))


def leads_nowhere(entry: os.DirEntry[str]) -> bool:
    """Return True for a link that leads to nothing, or in a circle."""
    try:
        entry.stat()
    except OSError as error:
        return entry.is_symlink() and error.errno in _NOWHERE
    return False
