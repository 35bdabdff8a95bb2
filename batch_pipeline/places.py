"""Places of pictures: folders and lists of names here, buckets in `bucket`.

Names are relative paths with slashes. Places yield them one by one, and hold no list of them.
"""

import errno
import logging
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Protocol

from batch_pipeline.entry import Entry
from batch_pipeline.errors import AppearedError, BatchError, BlockedError, UnreadableError
from cluster.addresses import is_in_bucket
from upscaler.links import leads_nowhere
from upscaler.pictures.signatures import LENGTH

_UNFINISHED = ".unfinished"  # one folder for all results in the making, so that it is found after a crash
# System errors of a file that others in its folder need not have
_OF_ONE_FILE = (errno.ENOENT, errno.EACCES, errno.EPERM, errno.EISDIR, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG)
_LONGEST_NAME = 1 << 14  # characters of a line in a list

_log = logging.getLogger(__name__)


class Place(Protocol):
    """Files by name. All methods raise OSError or StorageError if the place cannot be used."""

    def entries(self) -> Iterator[Entry]:
        """Yield the files, without hidden ones."""

    def head(self, name: str) -> bytes:
        """Return the first bytes of a file."""

    def has(self, name: str) -> bool:
        """Return True if there is a file of that name."""

    def reading(self, name: str) -> AbstractContextManager[Path]:
        """Yield a path of the file. Raises UnreadableError if only this file cannot be read."""

    def writing(self, name: str) -> AbstractContextManager[Path]:
        """Yield a path for a new file, which appears under its name if the block raises nothing.

        Raises AppearedError if one of that name has appeared, and BlockedError if the file cannot have this name.
        """


def at(address: str) -> Place:
    """Return the place at an address: `s3://bucket/prefix`, a folder, or a list of names."""
    if is_in_bucket(address):
        from batch_pipeline.bucket import Bucket  # boto3 comes with the extra `training` only

        return Bucket(address)
    path = Path(address)
    return Listed(path) if path.is_file() else Folder(path)


def _size(one: os.DirEntry[str]) -> int | None:
    """Return the bytes of a file, 0 where reading will tell why it cannot be read; None for anything else."""
    if leads_nowhere(one):
        return 0
    try:
        return one.stat().st_size if one.is_file() else None
    except OSError:  # such as a link that may not be followed
        return 0


class Folder:
    """A folder, with those inside it."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def entries(self) -> Iterator[Entry]:
        """Yield the files as the system lists them; folders that wait are held, files are not."""
        folders = [""]
        while folders:
            inside = folders.pop()
            for one in self._listed(inside):
                if one.name.startswith("."):
                    continue
                if one.is_dir(follow_symlinks=False):
                    folders.append(f"{inside}{one.name}/")
                elif (size := _size(one)) is not None:
                    yield Entry(f"{inside}{one.name}", size)

    def _listed(self, inside: str) -> Iterator[os.DirEntry[str]]:
        """Yield what a folder holds; one inside the place that cannot be listed costs its own pictures alone."""
        try:
            with os.scandir(self.root / inside) as found:
                yield from found
        except OSError as error:
            if not inside or error.errno not in _OF_ONE_FILE:
                raise
            _log.warning("%s cannot be listed (%s): its pictures are left out", self.root / inside, error.strerror)

    def head(self, name: str) -> bytes:
        """Return the first bytes of a file."""
        with (self.root / name).open("rb") as file:
            return file.read(LENGTH)

    def has(self, name: str) -> bool:
        """Return True if the file exists."""
        return (self.root / name).is_file()

    @contextmanager
    def reading(self, name: str) -> Iterator[Path]:
        """Yield the file's path. Errors of the block that concern this file are taken for its own, too."""
        path = self.root / name
        try:
            path.stat()
            yield path
        except OSError as error:
            if error.errno in _OF_ONE_FILE and error.filename and Path(error.filename) == path and self._is_there():
                raise UnreadableError(name, error) from error
            raise

    def _is_there(self) -> bool:
        """Return True if the folder can be listed and holds anything; where a disk was mounted, it holds nothing."""
        try:
            with os.scandir(self.root) as found:
                return any(True for _ in found)
        except OSError:
            return False

    @contextmanager
    def writing(self, name: str) -> Iterator[Path]:
        """Yield a path in a hidden folder, from which the file moves to its place."""
        target, unfinished = self.root / name, self.root / _UNFINISHED
        unfinished.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=unfinished) as folder:
            path = Path(folder) / target.name
            yield path
            if target.is_file():
                raise AppearedError(errno.EEXIST, "A file of this name has appeared", name)
            try:
                target.parent.mkdir(parents=True, exist_ok=True)
                path.replace(target)
            except (FileExistsError, NotADirectoryError, IsADirectoryError) as error:
                raise BlockedError(name) from error

    def clean(self) -> None:
        """Remove what killed runs have left unfinished."""
        shutil.rmtree(self.root / _UNFINISHED, ignore_errors=True)


class Listed(Folder):
    """Files named by the lines of a text file, relative to its folder."""

    def __init__(self, file: Path) -> None:
        super().__init__(file.parent)
        self._file = file

    def entries(self) -> Iterator[Entry]:
        """Yield the named files; one that is missing has 0 bytes. Raises BatchError for no text, or an endless line."""
        if b"\0" in self.head(self._file.name):
            raise BatchError(f"{self._file} is no text with a name on each line; give a list or a folder")
        with self._file.open(encoding="utf-8", errors="surrogateescape") as lines:
            while line := lines.readline(_LONGEST_NAME):
                if len(line) == _LONGEST_NAME:
                    raise BatchError(f"{self._file} has a line that is too long; give a list of names, one on each")
                if name := line.rstrip("\n"):
                    yield Entry(name, self._bytes(name))

    def _bytes(self, name: str) -> int:
        try:
            return (self.root / name).stat().st_size
        except (OSError, ValueError):
            return 0
