"""The one folder of everything temporary: bounded in size, its files deleted after a while, gone when the app is."""

import os
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import NoReturn

import psutil

_PREFIX = "double_resolution_"  # then the number of the process
_MOST_SECONDS_BETWEEN = 60.0


@contextmanager
def temporary_folder(keep_seconds: float) -> Iterator[Path]:
    """Give a folder in which Python's and Gradio's temporary files lie, too, and remove it in the end.

    Files in it are deleted `keep_seconds` after their last use, and so are the folders of apps that were killed.
    """
    for name in ("SIGTERM", "SIGHUP"):  # by default they end the process at once, with the folder left behind
        if number := getattr(signal, name, None):
            signal.signal(number, _exit)
    _remove_abandoned(Path(tempfile.gettempdir()))
    folder = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}_")).resolve()
    before = tempfile.tempdir
    tempfile.tempdir = os.environ["GRADIO_TEMP_DIR"] = str(folder)
    stop = threading.Event()
    threading.Thread(target=_keep_deleting, args=(folder, keep_seconds, stop), daemon=True).start()
    try:
        yield folder
    finally:
        stop.set()
        tempfile.tempdir = before
        shutil.rmtree(folder, ignore_errors=True)


def keep(files: Iterable[Path]) -> None:
    """Count the age of files from now on: they are in use."""
    for file in files:
        with suppress(OSError):
            os.utime(file)


def is_inside(path: Path, folder: Path) -> bool:
    """Return True for a file in a folder, not for a link that leads out of it, nor for a hidden one."""
    try:
        real = path.resolve(strict=True)
        return real.is_file() and not any(part.startswith(".") for part in real.relative_to(folder).parts)
    except (OSError, ValueError):
        return False


def size_of(folder: Path) -> int:
    """Add up the bytes of all files under `folder`."""
    total = 0
    for path in folder.rglob("*"):
        with suppress(OSError):  # it is gone by now
            total += path.lstat().st_size
    return total


def delete_old(folder: Path, seconds: float) -> None:
    """Delete the files under `folder` that were last changed more than `seconds` ago, and folders left empty."""
    for path in sorted(folder.rglob("*"), reverse=True):  # what is inside a folder comes before it
        with suppress(OSError):  # it is in use, not empty, or gone by now
            if _is_old(path, seconds):
                path.rmdir() if path.is_dir() else delete(path, seconds)


def delete(file: Path, seconds: float) -> None:
    """Delete an old file, but not the new one that an upload of the same photo may put in its place just now."""
    aside = file.rename(file.with_name(".old"))
    if _is_old(aside, seconds):
        aside.unlink()
    else:
        aside.rename(file)


def _exit(number: int, _frame: FrameType | None) -> NoReturn:
    sys.exit(128 + number)  # as shells report a process that a signal has ended


def _is_old(path: Path, seconds: float) -> bool:
    return time.time() - path.stat().st_mtime > seconds


def _keep_deleting(folder: Path, seconds: float, stop: threading.Event) -> None:
    while not stop.wait(min(_MOST_SECONDS_BETWEEN, seconds / 4)):
        delete_old(folder, seconds)


def _remove_abandoned(parent: Path) -> None:
    """Remove the folders of apps that could not do it: killed, or in a container that was stopped."""
    for folder in parent.glob(f"{_PREFIX}*_*"):
        number = folder.name.removeprefix(_PREFIX).partition("_")[0]
        if number.isdecimal() and (int(number) == os.getpid() or not psutil.pid_exists(int(number))):
            shutil.rmtree(folder, ignore_errors=True)
