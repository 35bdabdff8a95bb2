"""Exclusive use of a folder by one process."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from upscaler.errors import DoubleResolutionError


class InUseError(DoubleResolutionError):
    """Error for a folder that another process is writing to."""


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold a folder for the block; what had to be created for it is removed if it is still empty in the end.

    The kernel releases the lock when the process ends, however it ends. Raises InUseError if another process holds it.
    """
    created = [path for path in (folder, *folder.parents) if not path.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    with _held(folder):
        try:
            yield
        finally:
            with suppress(OSError):
                for path in created:
                    path.rmdir()


@contextmanager
def _held(folder: Path) -> Iterator[None]:
    if sys.platform == "win32":  # which has no locks on folders
        yield
        return
    opened = os.open(folder, os.O_RDONLY)
    try:
        _lock(folder, opened)
        yield
    finally:
        os.close(opened)


def _lock(folder: Path, opened: int) -> None:
    import fcntl  # not on Windows

    try:
        fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise InUseError(f"another process is writing to {folder}; wait for its end, or give another folder") from error
    except OSError:
        pass  # a file system without locks, such as NFS for folders
