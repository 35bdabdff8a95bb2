"""Pictures in an S3 bucket, listed page by page."""

import errno
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, BinaryIO
from uuid import uuid4

from botocore.exceptions import BotoCoreError, ClientError

from batch_pipeline.entry import Entry
from batch_pipeline.errors import AppearedError, UnreadableError
from cluster.s3 import S3Prefix
from upscaler.pictures.signatures import LENGTH

if TYPE_CHECKING:
    from mypy_boto3_s3.type_defs import CompletedPartTypeDef

_GONE = ("404", "NoSuchKey")
_APPEARED = "PreconditionFailed"
_MAYBE_STORED = (_APPEARED, "NoSuchUpload")  # refusals of a request that the server has carried out before
_MARK = "double-resolution-write"  # metadata of an object: a random mark of the request that stored it
_PART = 64 * 1024**2  # bytes; larger results are sent in parts, because S3 refuses a request of more than 5 GB


class Bucket:
    """A prefix in a bucket. The AWS variables give endpoint and credentials."""

    def __init__(self, address: str) -> None:
        self._place = S3Prefix(address)
        self._bucket, self._client = self._place.bucket, self._place.client

    def entries(self) -> Iterator[Entry]:
        """Yield the objects below the prefix, without hidden ones."""
        for name, size in self._place.objects():
            if not any(part.startswith(".") for part in name.split("/")):
                yield Entry(name, size)

    def head(self, name: str) -> bytes:
        """Return the first bytes of an object."""
        with self._sentences(name):
            answer = self._client.get_object(
                Bucket=self._bucket, Key=self._place.key(name), Range=f"bytes=0-{LENGTH - 1}"
            )
            return answer["Body"].read(LENGTH)

    def has(self, name: str) -> bool:
        """Return True if the object exists."""
        try:
            with self._sentences(name):
                self._client.head_object(Bucket=self._bucket, Key=self._place.key(name))
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
                    self._client.download_file(self._bucket, self._place.key(name), str(path))
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
                put = self._put_parts if path.stat().st_size > _PART else self._put
                key, mark = self._place.key(name), {_MARK: uuid4().hex}
                try:
                    put(key, file, mark)
                except ClientError as error:
                    # the answer to the first request may be lost, and botocore repeats the request
                    if error.response["Error"]["Code"] not in _MAYBE_STORED or self._mark(key) != mark[_MARK]:
                        raise

    def _mark(self, key: str) -> str | None:
        try:
            return self._client.head_object(Bucket=self._bucket, Key=key)["Metadata"].get(_MARK)
        except (BotoCoreError, ClientError):  # the first error counts
            return None

    def _put(self, key: str, file: BinaryIO, mark: Mapping[str, str]) -> None:
        self._client.put_object(Bucket=self._bucket, Key=key, Body=file, Metadata=mark, IfNoneMatch="*")

    def _put_parts(self, key: str, file: BinaryIO, mark: Mapping[str, str]) -> None:
        """Store a file in parts. By hand, because boto3's transfer manager cannot refuse to replace an object."""
        client, bucket = self._client, self._bucket
        upload = client.create_multipart_upload(Bucket=bucket, Key=key, Metadata=mark)["UploadId"]
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
        with self._place.refusals(name):
            try:
                yield
            except ClientError as error:
                code = error.response["Error"]["Code"]
                if code in _GONE:
                    raise FileNotFoundError(errno.ENOENT, "No such object", name) from error
                if code == _APPEARED:
                    raise AppearedError(errno.EEXIST, "An object of this name has appeared", name) from error
                raise
