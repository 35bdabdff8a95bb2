"""Folder of the project in the user's cache."""

import os
from pathlib import Path


def user_cache() -> Path:
    """Return the folder, which may not exist. Raises RuntimeError if the user has no home."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "double-resolution"
