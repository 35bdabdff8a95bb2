"""A folder on this machine whose files are copied to the storage as soon as they are whole."""

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from cluster.errors import StorageError
from cluster.storage import Storage

EVERY = 1.0  # seconds between two looks at the folder

Stamp = tuple[int, int]  # time of the last change in nanoseconds, bytes


class Uploader:
    """While it is open, what is written to `folder` goes to the same name in the storage, in the order of writing.

    What the storage holds is there at the beginning. The stages write a file under a temporary name and rename it, and
    the JSON that tells of others last; so a reader of the storage meets no file before those that it tells of.
    `kept` says which files are needed again: of the others an empty stand-in of the same length takes the place, which
    takes no room on the disk.
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
                _put_stand_in(path, size)
            self._known[name] = _stamp(path)
        self._copier.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Copy the rest, after a failure too, so that the next try goes on from it."""
        self._ended.set()
        self._copier.join()
        self.copy()

    def copy(self, before: int | None = None) -> None:
        """Copy what is new or changed, if written `before` a time in nanoseconds, and remove what is gone."""
        found = {path.relative_to(self._folder).as_posix(): _stamp(path) for path in self._files()}
        for name in sorted(found, key=lambda name: (found[name], name)):
            if self._known.get(name) != found[name] and (before is None or found[name][0] < before):
                self._storage.put(self._folder / name, (self._folder / name).as_posix())
                if not self._kept(name):
                    _put_stand_in(self._folder / name, found[name][1])
                self._known[name] = _stamp(self._folder / name)
        for name in self._known.keys() - found.keys():
            self._storage.remove((self._folder / name).as_posix())
            del self._known[name]

    def _files(self) -> list[Path]:
        found = [path for path in self._folder.rglob("*") if path.is_file() and not path.name.startswith(".")]
        if links := [path for path in found if path.is_symlink()]:
            raise StorageError(f"{links[0]} is a link, whose file may lie anywhere; write the file itself there")
        return found

    def _copy_until_ended(self) -> None:
        while not self._ended.wait(EVERY):
            # If a file went away or the storage did not answer, the next look, or the last, does it again
            with suppress(StorageError, OSError):
                # A file that was written before the look began is seen only with all that were written before it
                self.copy(before=time.time_ns())


def _put_stand_in(path: Path, size: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".stand-in-{path.name}")
    with temporary.open("wb") as file:
        file.truncate(size)
    temporary.replace(path)


def _stamp(path: Path) -> Stamp:
    status = path.stat()
    return status.st_mtime_ns, status.st_size
