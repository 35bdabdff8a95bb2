"""A prefix in an S3 bucket: its client, its listing, and one sentence for what the server refuses."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING

import boto3
from boto3.exceptions import Boto3Error
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from urllib3.exceptions import HTTPError

from cluster.addresses import SCHEME
from cluster.errors import StorageError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_ATTEMPTS = 8  # of a request that the server refuses for now, with a growing delay


class S3Prefix:
    """A prefix in a bucket. The AWS variables give endpoint and credentials. Raises StorageError without a bucket."""

    def __init__(self, address: str) -> None:
        self.bucket, _, prefix = address.removeprefix(SCHEME).partition("/")
        if not self.bucket:
            raise StorageError(f"{address} names no bucket; give s3://bucket/prefix")
        prefix = prefix.rstrip("/")
        self._prefix = f"{prefix}/" if prefix else ""

    @cached_property
    def client(self) -> "S3Client":
        """The client, which opens its connections when they are needed."""
        return boto3.client("s3", config=Config(retries={"mode": "standard", "total_max_attempts": _ATTEMPTS}))

    def key(self, name: str) -> str:
        """Return the key of an object below the prefix."""
        return self._prefix + name

    def objects(self, folder: str = "") -> Iterator[tuple[str, int]]:
        """Yield names, below a folder that ends in a slash, and sizes in bytes, page by page. Raises StorageError.

        S3 consoles mark a folder by an empty object whose name ends in a slash; these are left out.
        """
        root = self.key(folder)
        with self.refusals(folder):
            for page in self.client.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=root):
                for entry in page.get("Contents", []):
                    if not entry["Key"].endswith("/"):
                        yield entry["Key"].removeprefix(root), entry["Size"]

    @contextmanager
    def refusals(self, name: str) -> Iterator[None]:
        """Raise StorageError for what the server refuses in the block, which uses the object or folder of this name."""
        try:
            yield
        except (Boto3Error, BotoCoreError, ClientError, HTTPError) as error:  # the last: TLS errors of a body
            raise StorageError(
                f"{SCHEME}{self.bucket}/{self.key(name)} cannot be used ({error}); "
                "check the address and this machine's access to it, then run the same command again"
            ) from error
