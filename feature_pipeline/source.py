"""A part of the bucket as a stream of files, S3 -> gunzip -> tar, without a copy on disk."""

import gzip
import io
import tarfile
import time
import zlib
from collections.abc import Callable, Iterator
from itertools import islice
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urlsplit

import boto3
import botocore
from botocore.config import Config as ClientConfig
from botocore.exceptions import BotoCoreError, ClientError, IncompleteReadError
from botocore.response import StreamingBody
from urllib3.exceptions import HTTPError

from feature_pipeline import tar
from feature_pipeline.errors import FeatureError
from feature_pipeline.manifest import Source
from feature_pipeline.tar import File

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer
    from mypy_boto3_s3 import S3Client

BUCKET, DATASET = "open-images-dataset", "Open Images"
REGION = "us-east-1"  # fixed, or boto3 takes the region of the user's profile
TIMEOUT = 30.0  # seconds without data
ATTEMPTS = 6  # consecutive, without data in between
BACKOFF = 1.0  # seconds before the second attempt, doubled for each further one
CHUNK = 1 << 20
MAX_RATIO = 10  # of unpacked to packed bytes; photos are compressed already
SPARE_BYTES = 64 << 20  # allowed beyond that ratio
MAX_FILE_BYTES = 64 << 20  # larger files, far larger than any photo of Open Images, are not read into memory

Answer = TypeVar("Answer")


class PartStream(io.RawIOBase):
    """A part's compressed bytes, in order; after a dropped connection it resumes at the next byte.

    `arrived` is called with the number of bytes of each read.
    """

    def __init__(
        self,
        client: "S3Client",
        part: str,
        arrived: Callable[[int], object] = lambda _: None,
        backoff: float = BACKOFF,
    ) -> None:
        self.position = 0
        self._size = 0
        self._client = client
        self._key = f"tar/{part}.tar.gz"
        self._arrived = arrived
        self._backoff = backoff
        self._etag = ""
        self._body: StreamingBody | None = None

    @property
    def origin(self) -> Source:
        """The object that is streamed. Raises FeatureError if it cannot be read."""
        self._with_retries(self._open)
        return Source(etag=self._etag, bytes=self._size, dataset=_dataset(self._client))

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer", /) -> int:
        view = memoryview(buffer)
        content = self._with_retries(lambda: self._read(len(view)))
        view[: len(content)] = content
        return len(content)

    def close(self) -> None:
        self._drop()
        super().close()

    def _with_retries(self, request: Callable[[], Answer]) -> Answer:
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return request()
            except (BotoCoreError, ClientError, HTTPError) as error:  # botocore lets TLS errors of a body through
                self._drop()
                if attempt == ATTEMPTS or not _is_transient(error):
                    raise FeatureError(self._sentence(error)) from error
                time.sleep(self._backoff * 2 ** (attempt - 1))
        raise AssertionError("the last attempt returns or raises")

    def _read(self, most: int) -> bytes:
        content = self._open().read(most)
        if not content and most and self.position < self._size:
            raise IncompleteReadError(actual_bytes=self.position, expected_bytes=self._size)
        self.position += len(content)
        self._arrived(len(content))
        return content

    def _open(self) -> StreamingBody:
        if self._body is None:
            self._body = self._resumed() if self._etag else self._started()
        return self._body

    def _started(self) -> StreamingBody:
        answer = self._client.get_object(Bucket=BUCKET, Key=self._key)
        self._etag, self._size = answer.get("ETag", ""), answer.get("ContentLength", 0)
        if not self._etag or self._size <= 0:
            raise FeatureError(
                f"the server sends no length or no ETag for {self._key}, which resuming a download needs; "
                "check --endpoint-url"
            )
        return answer["Body"]

    def _resumed(self) -> StreamingBody:
        answer = self._client.get_object(
            Bucket=BUCKET, Key=self._key, Range=f"bytes={self.position}-", IfMatch=self._etag
        )
        if not answer.get("ContentRange", "").startswith(f"bytes {self.position}-"):
            raise FeatureError(f"the server ignores Range requests, so {self._key} cannot be resumed")
        return answer["Body"]

    def _drop(self) -> None:
        if self._body is not None:
            self._body.close()
        self._body = None

    def _sentence(self, error: Exception) -> str:
        place = f"{self._key} in the bucket {BUCKET}"
        status = _status(error)
        if status == 404:
            return f"{place} does not exist (404); give another part"
        if status == 403:
            return f"access to {place} is denied (403); check --endpoint-url, and that the bucket is public"
        if status == 412:
            return f"{place} changed during the download (412); remove the part's folder and run the command again"
        if status:
            return f"{place} cannot be read: the server answers {status}; run the same command later to resume"
        return f"{place} cannot be reached ({type(error).__name__}); check the network, then run the same command again"


def connect(endpoint_url: str | None, timeout: float = TIMEOUT) -> "S3Client":
    """Return an unsigned client of the public bucket, or of a server with a copy. Raises FeatureError."""
    config = ClientConfig(
        signature_version=botocore.UNSIGNED,
        connect_timeout=timeout,
        read_timeout=timeout,
        retries={"total_max_attempts": 1},  # PartStream retries, and knows its position
        s3={"addressing_style": "path"},
    )
    try:
        return boto3.client("s3", region_name=REGION, endpoint_url=endpoint_url, config=config)
    except ValueError as error:
        raise FeatureError(f"{endpoint_url!r} is not an address; give one such as http://127.0.0.1:5000") from error
    except BotoCoreError as error:
        raise FeatureError(f"no S3 client can be made ({error}); check AWS_PROFILE and ~/.aws/config") from error


def files(stream: PartStream, skipped: int = 0) -> Iterator[File]:
    """Yield the files of the part's tar in order, without the first `skipped`. Raises FeatureError if it is broken."""
    try:
        with _Unzipped(stream) as unzipped:
            yield from islice(tar.files(unzipped, MAX_FILE_BYTES), skipped, None)
            while unzipped.read(CHUNK):
                pass  # the checksum is at the end
    except (EOFError, tarfile.TarError, zlib.error, gzip.BadGzipFile) as error:
        raise FeatureError(
            f"the part is broken after {stream.position:,} bytes ({error}); the finished shards are kept"
        ) from error


def _dataset(client: "S3Client") -> str:
    """Return "Open Images" if the client reads the public bucket; "" for a server that may hold other pictures."""
    host = urlsplit(client.meta.endpoint_url).hostname or ""
    return DATASET if host.endswith(".amazonaws.com") else ""


class _Unzipped(gzip.GzipFile):
    """A part's tar, decompressed. Raises tarfile.ReadError for a decompression bomb."""

    def __init__(self, stream: PartStream) -> None:
        super().__init__(fileobj=io.BufferedReader(stream, CHUNK))
        self._part = stream

    def read(self, size: int | None = -1) -> bytes:
        content = super().read(size)
        if self.tell() > MAX_RATIO * self._part.position + SPARE_BYTES:
            raise tarfile.ReadError(f"it unpacks to more than {MAX_RATIO} times its length")
        return content


def _status(error: Exception) -> int | None:
    return error.response["ResponseMetadata"]["HTTPStatusCode"] if isinstance(error, ClientError) else None


def _is_transient(error: Exception) -> bool:
    status = _status(error)
    return status is None or status >= 500 or status == 429
