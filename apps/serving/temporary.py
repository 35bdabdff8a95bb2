"""Folder of temporary files, deleted when they expire and with the app."""

import os
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from itertools import chain
from pathlib import Path
from types import FrameType
from typing import NoReturn

import psutil

from upscaler.limits import duration

_PREFIX = "double_resolution_"  # followed by the process id
_WORKER = "worker_"  # prefix of the folders of workers' temporary files
_LONGEST_INTERVAL = 60.0  # seconds between two clean-ups


@contextmanager
def temporary_folder(keep_seconds: float) -> Iterator[Path]:
    """Create a folder, also for temporary files of Python and Gradio, and remove it at the end of the block.

    Files in it are deleted `keep_seconds` after their last use. Folders of killed apps are deleted at the start.
    """
    signal.signal(signal.SIGTERM, _exit)  # the default handler would end the process without removing the folder
    if hangup := getattr(signal, "SIGHUP", None):
        signal.signal(hangup, _terminate)
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


def worker_folder() -> Path:
    """Create a folder for the temporary files of a worker; it is kept while it is empty, unlike others."""
    return Path(tempfile.mkdtemp(prefix=_WORKER))


def content_of(folder: Path) -> Iterator[Path]:
    """Yield all files and folders under `folder`, content first; folders that vanish meanwhile are passed over."""
    for parent, folders, files in os.walk(folder, topdown=False):
        yield from (Path(parent, name) for name in (*files, *folders))


def lifetime(seconds: float) -> str:
    """Format how long files are kept, such as "an hour" or "30 minutes"."""
    return "an hour" if seconds == 3600 else duration(seconds)


def keep(files: Iterable[Path]) -> None:
    """Reset the age of files that are in use."""
    for file in files:
        with suppress(OSError):
            os.utime(file)


def is_inside(path: Path, folder: Path) -> bool:
    """Return True for a file in a folder that is neither hidden nor a link out of it."""
    try:
        real = path.resolve(strict=True)
        return real.is_file() and not any(part.startswith(".") for part in real.relative_to(folder).parts)
    except (OSError, ValueError):
        return False


def size_of(*folders: Path) -> int:
    """Return the bytes of all files under `folders`; those of a file with several links count once."""
    sizes: dict[tuple[int, int], int] = {}
    for path in chain.from_iterable(map(content_of, folders)):
        with suppress(OSError):  # deleted in the meantime
            status = path.lstat()
            sizes[status.st_dev, status.st_ino] = status.st_size
    return sum(sizes.values())


def delete_old(folder: Path, seconds: float) -> None:
    """Delete files under `folder` last changed more than `seconds` ago, and folders that become empty."""
    for path in content_of(folder):
        is_of_worker = path.parent == folder and path.name.startswith(_WORKER)
        with suppress(OSError):  # in use, not empty, or already deleted
            if _is_old(path, seconds) and not is_of_worker:
                path.rmdir() if path.is_dir() else delete(path, seconds)


def delete(file: Path, seconds: float) -> None:
    """Delete a file older than `seconds`, but not a new one that an upload of the same photo puts there meanwhile."""
    aside = file.rename(file.with_name(".old"))
    if _is_old(aside, seconds):
        aside.unlink()
    else:
        aside.rename(file)


def _exit(number: int, _frame: FrameType | None) -> NoReturn:
    sys.exit(128 + number)  # shells' exit code for a process killed by a signal


def _terminate(_number: int, _frame: FrameType | None) -> None:
    signal.raise_signal(signal.SIGTERM)  # a running server replaces only that handler, by one that ends it in order


def _is_old(path: Path, seconds: float) -> bool:
    return time.time() - path.stat().st_mtime > seconds


def _keep_deleting(folder: Path, seconds: float, stop: threading.Event) -> None:
    while not stop.wait(min(_LONGEST_INTERVAL, seconds / 4)):
        delete_old(folder, seconds)


def _remove_abandoned(parent: Path) -> None:
    """Remove the folders of apps that were killed."""
    for folder in parent.glob(f"{_PREFIX}*_*"):
        number = folder.name.removeprefix(_PREFIX).partition("_")[0]
        if number.isdecimal() and (int(number) == os.getpid() or not psutil.pid_exists(int(number))):
            shutil.rmtree(folder, ignore_errors=True)
