"""Uploads and results are kept for a while, then deleted."""

import threading
import time
from pathlib import Path

MOST_SECONDS_BETWEEN = 60.0


def delete_old(folder: Path, seconds: float) -> None:
    """Delete the files under `folder` that were last changed more than `seconds` ago, and folders left empty."""
    for path in sorted(folder.rglob("*"), reverse=True):  # what is inside a folder comes before it
        try:
            if time.time() - path.stat().st_mtime > seconds:
                path.rmdir() if path.is_dir() else path.unlink()
        except OSError:  # it is in use, not empty, or gone by now
            continue


def keep_deleting(folder: Path, seconds: float) -> None:
    """Delete what is old for as long as the program runs, in the background."""
    pause = min(MOST_SECONDS_BETWEEN, seconds / 4)

    def work() -> None:
        while True:
            time.sleep(pause)
            delete_old(folder, seconds)

    threading.Thread(target=work, daemon=True, name="deletes what is old").start()
