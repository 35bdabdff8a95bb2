"""Download of a large file by HTTP, which goes on at the next byte after a broken connection."""

import time
from pathlib import Path
from typing import BinaryIO

import requests

from feature_pipeline.errors import FeatureError
from feature_pipeline.source import ATTEMPTS, BACKOFF
from upscaler.atomic import atomic_path

TIMEOUT = 60.0  # seconds without a byte
CHUNK = 1 << 16  # bytes; what has arrived of one is lost with its connection


def download(address: str, target: Path, most: int) -> None:
    """Write what an address holds to a file.

    Raises FeatureError if that is over `most` bytes, or several attempts in a row bring none.
    """
    with atomic_path(target) as temporary, temporary.open("wb") as file:
        _Download(address, file, most).run()


class _Download:
    """A download into an open file, whose position is the next byte to ask for."""

    def __init__(self, address: str, file: BinaryIO, most: int) -> None:
        self._address, self._file, self._most = address, file, most
        self._etag = ""  # of the content that the file has the beginning of

    def run(self) -> None:
        """Receive the whole content."""
        failures, furthest = 0, 0
        while True:
            try:
                return self._receive()
            except requests.RequestException as error:
                failures = 1 if self._file.tell() > furthest else failures + 1
                furthest = max(furthest, self._file.tell())  # of all attempts, which may each begin anew
                if failures == ATTEMPTS or not _is_transient(error):
                    raise FeatureError(f"{self._address} cannot be downloaded ({error}); try again later") from error
                time.sleep(BACKOFF * 2 ** (failures - 1))

    def _receive(self) -> None:
        headers = {"Accept-Encoding": "identity"}  # or positions would be those of compressed bytes
        if self._etag:
            headers |= {"Range": f"bytes={self._file.tell()}-", "If-Range": self._etag}
        with requests.get(self._address, headers=headers, stream=True, timeout=TIMEOUT) as answer:
            answer.raise_for_status()
            if answer.status_code != requests.codes.partial_content:
                self._start_anew(answer)
            elif not answer.headers.get("Content-Range", "").startswith(f"bytes {self._file.tell()}-"):
                raise FeatureError(f"the server of {self._address} sends other bytes than asked for; try again later")
            for chunk in answer.iter_content(CHUNK):
                if self._file.tell() + len(chunk) > self._most:
                    raise FeatureError(f"{self._address} has more than {self._most:,} bytes; give another address")
                self._file.write(chunk)

    def _start_anew(self, answer: requests.Response) -> None:
        etag, is_encoded = answer.headers.get("ETag", ""), "Content-Encoding" in answer.headers
        self._etag = "" if is_encoded or etag.startswith("W/") else etag  # a weak one does not stand for the same bytes
        self._file.seek(0)
        self._file.truncate()


def _is_transient(error: requests.RequestException) -> bool:
    if error.response is not None:
        return error.response.status_code >= 500 or error.response.status_code == 429
    return isinstance(error, requests.ConnectionError | requests.Timeout | requests.exceptions.ChunkedEncodingError)
