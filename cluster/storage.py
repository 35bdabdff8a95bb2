"""Shared storage: a folder that all nodes see, or a prefix in an S3 bucket. Files appear atomically.

Names are untrusted, because anyone with write access chooses them; `checked` checks each one.
"""

import shutil
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import boto3
from boto3.exceptions import Boto3Error
from botocore.exceptions import BotoCoreError, ClientError
from urllib3.exceptions import HTTPError

from cluster.errors import StorageError
from upscaler.atomic import atomic_path
from upscaler.relative_names import is_inside, meets_link

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

SCHEME = "s3://"


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
    return Bucket(place) if place.startswith(SCHEME) else Folder(Path(place))


def checked(name: str) -> str:
    """Return the name. Raises StorageError if the path could leave the folder it is joined to."""
    if not is_inside(name):
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
        self._name, _, self._prefix = address.removeprefix(SCHEME).rstrip("/").partition("/")
        if not self._name:
            raise StorageError(f"{address} names no bucket; give s3://bucket/prefix")

    @cached_property
    def _client(self) -> "S3Client":
        return boto3.client("s3")

    def sizes(self, folder: str) -> dict[str, int]:
        """Return the sizes of the objects in a folder."""
        root = self._key(folder).rstrip("/") + "/"
        try:
            pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self._name, Prefix=root)
            found = (entry for page in pages for entry in page.get("Contents", []))
            # S3 consoles mark a folder by an empty object whose name ends in a slash
            files = {entry["Key"].removeprefix(root): entry["Size"] for entry in found if entry["Key"][-1] != "/"}
            return {checked(name): size for name, size in files.items()}
        except (BotoCoreError, ClientError) as error:
            raise self._refused(folder, error) from error

    def get(self, name: str, path: Path) -> None:
        """Fetch an object."""
        try:
            with atomic_path(path) as temporary:  # a broken body is fetched again
                self._client.download_file(self._name, self._key(name), str(temporary))
        except (Boto3Error, BotoCoreError, ClientError, HTTPError) as error:  # TLS errors of a body come through
            raise self._refused(name, error) from error

    def put(self, path: Path, name: str) -> None:
        """Store an object."""
        try:
            with path.open("rb") as file:
                self._client.put_object(Bucket=self._name, Key=self._key(name), Body=file)
        except (BotoCoreError, ClientError) as error:
            raise self._refused(name, error) from error

    def remove(self, name: str) -> None:
        """Remove an object."""
        try:
            self._client.delete_object(Bucket=self._name, Key=self._key(name))
        except (BotoCoreError, ClientError) as error:
            raise self._refused(name, error) from error

    def _key(self, name: str) -> str:
        return f"{self._prefix}/{checked(name)}" if self._prefix else checked(name)

    def _refused(self, name: str, error: Exception) -> StorageError:
        return StorageError(
            f"the storage {SCHEME}{self._name}/{self._key(name)} cannot be used ({error}); "
            "check its address and this machine's access to it, then run the same command again"
        )


def _copy(source: Path, target: Path) -> None:
    with atomic_path(target) as temporary:
        shutil.copyfile(source, temporary)
