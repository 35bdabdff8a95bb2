"""Uploads and results are kept for a while, then deleted."""

import os
import threading
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

MOST_SECONDS_BETWEEN = 60.0


def keep(files: Iterable[Path]) -> None:
    """Count the age of files from now on: they are in use."""
    for file in files:
        with suppress(OSError):
            os.utime(file)


def delete_old(folder: Path, seconds: float) -> None:
    """Delete the files under `folder` that were last changed more than `seconds` ago, and folders left empty."""
    for path in sorted(folder.rglob("*"), reverse=True):  # what is inside a folder comes before it
        with suppress(OSError):  # it is in use, not empty, or gone by now
            if is_old(path, seconds):
                path.rmdir() if path.is_dir() else delete(path, seconds)


def delete(file: Path, seconds: float) -> None:
    """Delete an old file, but not the new one that an upload of the same photo may put in its place just now."""
    aside = file.rename(file.with_name(".old"))
    if is_old(aside, seconds):
        aside.unlink()
    else:
        aside.rename(file)


def is_old(path: Path, seconds: float) -> bool:
    """Whether a file or folder was last changed more than `seconds` ago. Raises OSError if it is gone."""
    return time.time() - path.stat().st_mtime > seconds


def keep_deleting(folder: Path, seconds: float) -> None:
    """Delete what is old for as long as the program runs, in the background."""
    pause = min(MOST_SECONDS_BETWEEN, seconds / 4)

    def work() -> None:
        while True:
            time.sleep(pause)
            delete_old(folder, seconds)

    threading.Thread(target=work, daemon=True, name="deletes what is old").start()
