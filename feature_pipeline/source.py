"""One part of the bucket as a stream of files: S3 -> gunzip -> tar, nothing of which lies on the disk."""

import gzip
import io
import tarfile
import time
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import boto3
import botocore
from botocore.config import Config as ClientConfig
from botocore.exceptions import BotoCoreError, ClientError, IncompleteReadError
from botocore.response import StreamingBody

from upscaler.errors import FeatureError

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer
    from mypy_boto3_s3 import S3Client

BUCKET = "open-images-dataset"
REGION = "us-east-1"  # pinned, or boto3 takes the region of the user's own profile
TRAINING_DIGITS = "0123456789abcdef"
TIMEOUT = 30.0  # seconds without a byte
ATTEMPTS = 6  # in a row, without a byte in between


@dataclass(frozen=True)
class File:
    """A file of the tar: its base name and its content."""

    name: str
    content: bytes


class PartStream(io.RawIOBase):
    """A part's compressed bytes, read in order; after a dropped connection it goes on at the byte where it stopped."""

    def __init__(self, client: "S3Client", part: str, backoff: float = 1.0) -> None:
        self.position = 0
        self.size = 0
        self._client = client
        self._key = f"tar/{part}.tar.gz"
        self._backoff = backoff
        self._etag = ""
        self._body: StreamingBody | None = None

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer", /) -> int:
        view = memoryview(buffer)
        content = self._read(len(view))
        view[: len(content)] = content
        return len(content)

    def _read(self, most: int) -> bytes:
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return self._read_once(most)
            except (BotoCoreError, ClientError) as error:
                self._body = None
                if attempt == ATTEMPTS or not _passing(error):
                    raise FeatureError(self._sentence(error)) from error
                time.sleep(self._backoff * 2 ** (attempt - 1))
        raise AssertionError("the last attempt returns or raises")

    def _read_once(self, most: int) -> bytes:
        if self._body is None:
            self._body = self._open()
        content = self._body.read(most)
        if not content and most and self.position < self.size:
            raise IncompleteReadError(actual_bytes=self.position, expected_bytes=self.size)
        self.position += len(content)
        return content

    def _open(self) -> StreamingBody:
        if not self._etag:
            answer = self._client.get_object(Bucket=BUCKET, Key=self._key)
            self._etag, self.size = answer["ETag"], answer["ContentLength"]
        else:
            answer = self._client.get_object(
                Bucket=BUCKET, Key=self._key, Range=f"bytes={self.position}-", IfMatch=self._etag
            )
        return answer["Body"]

    def _sentence(self, error: Exception) -> str:
        place = f"{self._key} in the bucket {BUCKET}"
        status = _status(error)
        if status == 404:
            return f"{place} does not exist (404); give a part that does"
        if status == 403:
            return f"{place} may not be read (403); check --endpoint-url, and that the bucket is public"
        if status == 412:
            return f"{place} changed while it was read (412); remove the part's folder and run the command again"
        if status:
            return f"{place} cannot be read: the server answers {status}; run the same command later, it goes on"
        return f"{place} cannot be reached ({type(error).__name__}); check the network, then run the same command again"


def part_names(given: list[str]) -> tuple[str, ...]:
    """`0` -> `train_0`, `all` -> all 18 parts; validation and test are called that."""
    every = [*TRAINING_DIGITS, "validation", "test"]
    chosen = every if "all" in given else list(dict.fromkeys(given))
    return tuple(f"train_{part}" if part in TRAINING_DIGITS else part for part in chosen)


def connect(endpoint_url: str | None) -> "S3Client":
    """An unsigned client of the public bucket, or of a server that holds a copy."""
    config = ClientConfig(
        signature_version=botocore.UNSIGNED,
        connect_timeout=TIMEOUT,
        read_timeout=TIMEOUT,
        retries={"total_max_attempts": 1},  # PartStream tries again, and knows where it was
        s3={"addressing_style": "path"},
    )
    try:
        return boto3.client("s3", region_name=REGION, endpoint_url=endpoint_url, config=config)
    except ValueError as error:
        raise FeatureError(f"{endpoint_url!r} is not an address; give one such as http://127.0.0.1:5000") from error


def files(stream: PartStream, passed_over: int = 0) -> Iterator[File]:
    """The files of the part's tar in order, without the first `passed_over`. Raises FeatureError if it is broken."""
    try:
        with gzip.GzipFile(fileobj=io.BufferedReader(stream, 1 << 20)) as unzipped:
            yield from _tar_files(unzipped, passed_over)
            while unzipped.read(1 << 20):
                pass  # to the end, where the checksum stands
    except (EOFError, tarfile.TarError, zlib.error, gzip.BadGzipFile) as error:
        raise FeatureError(
            f"the part is broken after {stream.position:,} bytes ({error}); what was finished is kept"
        ) from error


def _tar_files(unzipped: gzip.GzipFile, passed_over: int) -> Iterator[File]:
    number = 0
    with tarfile.open(fileobj=unzipped, mode="r|") as tar:
        while member := tar.next():
            tar.members.clear()  # type: ignore[attr-defined]  # or the list of all members grows with the part
            if not member.isfile():
                continue
            number += 1
            content = tar.extractfile(member)
            if number > passed_over and content:
                yield File(member.name.rpartition("/")[2], content.read())


def _status(error: Exception) -> int | None:
    return error.response["ResponseMetadata"]["HTTPStatusCode"] if isinstance(error, ClientError) else None


def _passing(error: Exception) -> bool:
    status = _status(error)
    return status is None or status >= 500 or status == 429
