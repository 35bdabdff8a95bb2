"""A local folder whose finished files are copied to the storage."""

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from cluster.errors import StorageError
from cluster.storage import Storage

EVERY = 1.0  # seconds between two scans of the folder

Stamp = tuple[int, int]  # time of the last change in nanoseconds, bytes


class Uploader:
    """Context that mirrors a local folder to the same name in the storage, in the order of writing.

    On entry, the folder gets the storage's files. The stages write a file under a temporary name, rename it, and write
    the JSON that refers to others last, so a reader of the storage finds every file that a JSON refers to. kept:
    returns True for files that are read again; the others are replaced by sparse files of the same length.
    """

    def __init__(self, storage: Storage, folder: Path, kept: Callable[[str], bool] = lambda _: True) -> None:
        self._storage, self._folder, self._kept = storage, folder, kept
        self._known: dict[str, Stamp] = {}
        self._ended = threading.Event()
        self._copier = threading.Thread(target=self._copy_until_ended, daemon=True)

    def __enter__(self) -> "Uploader":
        for name, size in self._storage.sizes(self._folder.as_posix()).items():
            path = self._folder / name
            if self._kept(name):
                self._storage.get(path.as_posix(), path)
            else:
                _write_placeholder(path, size)
            self._known[name] = _stamp(path)
        self._copier.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Copy the rest, also after a failure, so that the next attempt resumes from it."""
        self._ended.set()
        self._copier.join()
        self.copy()

    def copy(self, before: int | None = None) -> None:
        """Copy new or changed files, if written `before` a time in nanoseconds, and remove deleted ones."""
        found = {path.relative_to(self._folder).as_posix(): _stamp(path) for path in self._files()}
        for name in sorted(found, key=lambda name: (found[name], name)):
            if self._known.get(name) != found[name] and (before is None or found[name][0] < before):
                self._storage.put(self._folder / name, (self._folder / name).as_posix())
                self._known[name] = found[name]  # from before the upload, during which the file may have changed
                if not self._kept(name):
                    _write_placeholder(self._folder / name, found[name][1])
                    self._known[name] = _stamp(self._folder / name)
        for name in self._known.keys() - found.keys():
            self._storage.remove((self._folder / name).as_posix())
            del self._known[name]

    def _files(self) -> list[Path]:
        found = [path for path in self._folder.rglob("*") if path.is_file() and not path.name.startswith(".")]
        if links := [path for path in found if path.is_symlink()]:
            raise StorageError(f"{links[0]} is a link, which may point anywhere; write the file itself there")
        return found

    def _copy_until_ended(self) -> None:
        while not self._ended.wait(EVERY):
            # If a file vanished or the storage did not answer, the next or the final scan repeats it
            with suppress(StorageError, OSError):
                # Only files older than the scan: all that were written before them are then seen too
                self.copy(before=time.time_ns())


def _write_placeholder(path: Path, size: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".placeholder-{path.name}")
    with temporary.open("wb") as file:
        file.truncate(size)
    temporary.replace(path)


def _stamp(path: Path) -> Stamp:
    status = path.stat()
    return status.st_mtime_ns, status.st_size
