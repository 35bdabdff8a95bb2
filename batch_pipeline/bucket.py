"""Pictures in an S3 bucket, listed page by page."""

import errno
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, BinaryIO

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from urllib3.exceptions import HTTPError

from batch_pipeline.config import BUCKET
from batch_pipeline.entry import Entry
from batch_pipeline.errors import AppearedError, UnreadableError
from cluster.errors import StorageError
from upscaler.pictures.signatures import LENGTH

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import CompletedPartTypeDef

_ATTEMPTS = 8  # of a request that the server refuses for now, with a growing delay
_GONE = ("404", "NoSuchKey")
_PART = 64 * 1024**2  # bytes; larger results are sent in parts, because S3 refuses a request of more than 5 GB


class Bucket:
    """A prefix in a bucket. The AWS variables give endpoint and credentials."""

    def __init__(self, address: str) -> None:
        self._bucket, _, prefix = address.removeprefix(BUCKET).partition("/")
        if not self._bucket:
            raise StorageError(f"{address} names no bucket; give s3://bucket/prefix")
        self._prefix = f"{prefix.rstrip('/')}/" if prefix else ""
        self._client: S3Client = boto3.client(
            "s3", config=Config(retries={"mode": "standard", "total_max_attempts": _ATTEMPTS})
        )

    def entries(self) -> Iterator[Entry]:
        """Yield the objects below the prefix; an empty one whose name ends in a slash is a console's folder."""
        with self._sentences(""):
            for page in self._client.get_paginator("list_objects_v2").paginate(
                Bucket=self._bucket, Prefix=self._prefix
            ):
                for one in page.get("Contents", []):
                    name = one["Key"].removeprefix(self._prefix)
                    if name[-1:] != "/" and not any(part.startswith(".") for part in name.split("/")):
                        yield Entry(name, one["Size"])

    def head(self, name: str) -> bytes:
        """Return the first bytes of an object."""
        with self._sentences(name):
            answer = self._client.get_object(
                Bucket=self._bucket, Key=self._prefix + name, Range=f"bytes=0-{LENGTH - 1}"
            )
            return answer["Body"].read(LENGTH)

    def has(self, name: str) -> bool:
        """Return True if the object exists."""
        try:
            with self._sentences(name):
                self._client.head_object(Bucket=self._bucket, Key=self._prefix + name)
        except FileNotFoundError:
            return False
        return True

    @contextmanager
    def reading(self, name: str) -> Iterator[Path]:
        """Yield a temporary copy of an object."""
        with tempfile.TemporaryDirectory(prefix="double_resolution_") as folder:
            path = Path(folder) / f"source{PurePosixPath(name).suffix}"
            try:
                with self._sentences(name):
                    self._client.download_file(self._bucket, self._prefix + name, str(path))
            except FileNotFoundError as error:
                raise UnreadableError(name, error) from error
            yield path

    @contextmanager
    def writing(self, name: str) -> Iterator[Path]:
        """Yield a temporary path, and store the file unless an object of that name has appeared."""
        with tempfile.TemporaryDirectory(prefix="double_resolution_") as folder:
            path = Path(folder) / f"target{PurePosixPath(name).suffix}"
            yield path
            with self._sentences(name), path.open("rb") as file:
                if path.stat().st_size > _PART:
                    self._put_parts(self._prefix + name, file)
                else:
                    self._client.put_object(Bucket=self._bucket, Key=self._prefix + name, Body=file, IfNoneMatch="*")

    def _put_parts(self, key: str, file: BinaryIO) -> None:
        """Store a file in parts. By hand, because boto3's transfer manager cannot refuse to replace an object."""
        client, bucket = self._client, self._bucket
        upload = client.create_multipart_upload(Bucket=bucket, Key=key)["UploadId"]
        parts: list[CompletedPartTypeDef] = []
        try:
            for number, content in enumerate(iter(lambda: file.read(_PART), b""), 1):
                part = client.upload_part(Bucket=bucket, Key=key, UploadId=upload, PartNumber=number, Body=content)
                parts.append({"ETag": part["ETag"], "PartNumber": number})
            client.complete_multipart_upload(
                Bucket=bucket, Key=key, UploadId=upload, MultipartUpload={"Parts": parts}, IfNoneMatch="*"
            )
        except BaseException:
            with suppress(ClientError, BotoCoreError):  # the first error counts
                client.abort_multipart_upload(Bucket=bucket, Key=key, UploadId=upload)  # its parts would be paid for
            raise

    @contextmanager
    def _sentences(self, name: str) -> Iterator[None]:
        """Raise FileNotFoundError or AppearedError for what concerns an object, StorageError for other refusals."""
        try:
            yield
        except ClientError as error:
            if name and error.response["Error"]["Code"] in _GONE:
                raise FileNotFoundError(errno.ENOENT, "No such object", name) from error
            if error.response["Error"]["Code"] == "PreconditionFailed":
                raise AppearedError(errno.EEXIST, "An object of this name has appeared", name) from error
            raise self._refused(name, error) from error
        except (BotoCoreError, boto3.exceptions.Boto3Error, HTTPError) as error:  # the last: TLS errors of a body
            raise self._refused(name, error) from error

    def _refused(self, name: str, error: Exception) -> StorageError:
        return StorageError(
            f"{BUCKET}{self._bucket}/{self._prefix}{name} cannot be used ({error}); "
            "check the address and this machine's access to it, then run the same command again"
        )
