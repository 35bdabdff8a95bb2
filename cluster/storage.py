"""Shared storage: a folder that all nodes see, or a prefix in an S3 bucket. Files appear atomically.

Names are untrusted, because anyone with write access chooses them; `checked` checks each one.
"""

import shutil
from pathlib import Path
from typing import Protocol

from cluster.addresses import is_in_bucket
from cluster.errors import StorageError
from cluster.s3 import S3Prefix
from upscaler.atomic import atomic_path
from upscaler.relative_names import meets_link, stays_inside


class Storage(Protocol):
    """Files by name, a relative path with slashes. All methods raise StorageError for other names."""

    def sizes(self, folder: str) -> dict[str, int]:
        """Return the sizes in bytes of the files in a folder, by their names in it."""

    def get(self, name: str, path: Path) -> None:
        """Copy a file from the storage. Raises StorageError."""

    def put(self, path: Path, name: str) -> None:
        """Copy a file into the storage, replacing one of that name. Raises StorageError."""

    def remove(self, name: str) -> None:
        """Remove a file if it exists. Raises StorageError."""


def at(place: str) -> Storage:
    """Return the storage at a path or at `s3://bucket/prefix`; the AWS variables give endpoint and credentials."""
    return Bucket(place) if is_in_bucket(place) else Folder(Path(place))


def checked(name: str) -> str:
    """Return the name. Raises StorageError if the path could leave the folder it is joined to."""
    if not stays_inside(name):
        raise StorageError(
            f"{name[:100]!a} is not a storage name; use relative paths without .., backslashes and empty parts"
        )
    return name


class Folder:
    """A folder that all nodes see under the same path."""

    def __init__(self, root: Path) -> None:
        self._root = root.absolute()

    def sizes(self, folder: str) -> dict[str, int]:
        """Return the sizes of the files in a folder, except temporary ones."""
        root = self._path(folder)
        found = [path for path in sorted(root.rglob("*")) if not path.name.startswith(".")]
        files = [path.relative_to(root).as_posix() for path in found if path.is_symlink() or path.is_file()]
        return {name: self._path(f"{folder}/{checked(name)}").stat().st_size for name in files}

    def get(self, name: str, path: Path) -> None:
        """Copy a file from the folder."""
        _copy(self._path(name), path)

    def put(self, path: Path, name: str) -> None:
        """Copy a file into the folder."""
        _copy(path, self._path(name))

    def remove(self, name: str) -> None:
        """Remove a file."""
        self._path(name).unlink(missing_ok=True)

    def _path(self, name: str) -> Path:
        if meets_link(self._root, checked(name)):
            raise StorageError(f"{self._root / name} is or passes through a link; put the file itself there")
        return self._root / name


class Bucket:
    """A prefix in an S3 bucket, with one PUT for each file."""

    def __init__(self, address: str) -> None:
        self._place = S3Prefix(address)

    def sizes(self, folder: str) -> dict[str, int]:
        """Return the sizes of the objects in a folder."""
        return {checked(name): size for name, size in self._place.objects(checked(folder).rstrip("/") + "/")}

    def get(self, name: str, path: Path) -> None:
        """Fetch an object."""
        with self._place.refusals(name), atomic_path(path) as temporary:  # a broken body is fetched again
            self._place.client.download_file(self._place.bucket, self._key(name), str(temporary))

    def put(self, path: Path, name: str) -> None:
        """Store an object."""
        with self._place.refusals(name), path.open("rb") as file:
            self._place.client.put_object(Bucket=self._place.bucket, Key=self._key(name), Body=file)

    def remove(self, name: str) -> None:
        """Remove an object."""
        with self._place.refusals(name):
            self._place.client.delete_object(Bucket=self._place.bucket, Key=self._key(name))

    def _key(self, name: str) -> str:
        return self._place.key(checked(name))


def _copy(source: Path, target: Path) -> None:
    with atomic_path(target) as temporary:
        shutil.copyfile(source, temporary)
