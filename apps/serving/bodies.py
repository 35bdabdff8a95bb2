"""Request bodies, limited in size and time before they are parsed."""

import asyncio
import json
import time
from collections.abc import Callable
from typing import Any

from python_multipart import MultipartParser
from python_multipart.exceptions import MultipartParseError
from python_multipart.multipart import parse_options_header
from starlette.types import Message, Receive

from apps.serving.refusal import RequestRefusedError

MOST_JSON = 1_000_000  # bytes
MOST_FIELDS = 64_000  # bytes of all form fields and part headers of an upload
MOST_FILES = 50  # per upload and per job
_BASE_TIMEOUT = 30.0  # seconds for a body, extended by each byte received
_MIN_RATE = 8_000  # bytes per second


class BoundedBody:
    """ASGI `receive` that refuses a body that is too large or too slow."""

    def __init__(self, receive: Receive, most_bytes: int) -> None:
        self._receive, self._most_bytes = receive, most_bytes
        self._began, self._bytes, self._ended = time.monotonic(), 0, False

    async def __call__(self) -> Message:
        """Receive the next message. Raises RequestRefusedError."""
        if self._ended:  # only a disconnect can follow
            return await self._receive()
        seconds = _BASE_TIMEOUT + self._bytes / _MIN_RATE - (time.monotonic() - self._began)
        try:
            message = await asyncio.wait_for(self._receive(), max(seconds, 0))
        except TimeoutError:
            raise RequestRefusedError(408, "the request timed out; try again on a faster connection") from None
        self._bytes += len(message.get("body", b""))
        self._ended = not message.get("more_body", False)
        if self._bytes > self._most_bytes:
            raise RequestRefusedError(
                413, f"the request is larger than {self._most_bytes / 1e6:.0f} MB; send less at once"
            )
        return message


class FilesOnly:
    """ASGI `receive` for uploads that refuses too many files, and long form fields, which Gradio keeps in memory."""

    def __init__(self, receive: Receive, content_type: str, add_file: Callable[[], None]) -> None:
        """Parse the content type. `add_file`: called at the beginning of each file.

        Raises RequestRefusedError if it is not multipart/form-data.
        """
        kind, options = parse_options_header(content_type)
        if kind != b"multipart/form-data" or not options.get(b"boundary"):
            raise RequestRefusedError(400, "the upload has the wrong content type; send multipart/form-data")
        self._receive, self._add_file = receive, add_file
        self._files, self._field_bytes = 0, 0
        self._name, self._value, self._disposition, self._in_file = b"", b"", b"", False
        self._parser = MultipartParser(
            options[b"boundary"],
            {
                "on_part_begin": self._begin,
                "on_header_field": self._add_name,
                "on_header_value": self._add_value,
                "on_header_end": self._end_header,
                "on_headers_finished": self._end_headers,
                "on_part_data": self._add_data,
            },
        )

    async def __call__(self) -> Message:
        """Receive the next message. Raises RequestRefusedError."""
        message = await self._receive()
        try:
            self._parser.write(message.get("body", b""))
        except MultipartParseError as error:
            raise RequestRefusedError(400, "the upload is not a valid form; send it again") from error
        return message

    def _begin(self) -> None:
        self._disposition, self._in_file = b"", False

    def _add_name(self, data: bytes, start: int, end: int) -> None:
        self._count(end - start)
        self._name += data[start:end]

    def _add_value(self, data: bytes, start: int, end: int) -> None:
        self._count(end - start)
        self._value += data[start:end]

    def _end_header(self) -> None:
        if self._name.lower() == b"content-disposition":
            self._disposition = self._value
        self._name, self._value = b"", b""

    def _end_headers(self) -> None:
        self._in_file = b"filename" in parse_options_header(self._disposition)[1]  # the criterion of Gradio's parser
        self._files += self._in_file
        if self._files > MOST_FILES:
            raise RequestRefusedError(413, f"the upload has more than {MOST_FILES} files; send fewer at once")
        if self._in_file:
            self._add_file()

    def _add_data(self, _data: bytes, start: int, end: int) -> None:
        if not self._in_file:
            self._count(end - start)

    def _count(self, more: int) -> None:
        self._field_bytes += more
        if self._field_bytes > MOST_FIELDS:
            raise RequestRefusedError(413, "the upload's form fields are too long; send only files")


async def read_json(receive: Receive) -> dict[str, Any]:
    """Read a JSON object of at most 1 MB. Raises RequestRefusedError for any other body."""
    bounded, body, more = BoundedBody(receive, MOST_JSON), bytearray(), True
    while more:
        message = await bounded()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    try:
        value = json.loads(body)
        json.dumps(value, ensure_ascii=False, allow_nan=False).encode()  # no lone surrogates: libraries fail at them
    except (ValueError, RecursionError) as error:
        raise RequestRefusedError(400, "the request's body is not valid JSON; send a JSON object") from error
    if not isinstance(value, dict):
        raise RequestRefusedError(400, "the request's body is not a JSON object; send one")
    return value


def replayed(body: dict[str, Any], receive: Receive) -> tuple[Receive, int]:
    """Return an ASGI `receive` that yields a JSON body, then the client's further messages; and the body's length."""
    data = json.dumps(body).encode()
    messages: list[Message] = [{"type": "http.request", "body": data, "more_body": False}]

    async def replay() -> Message:
        return messages.pop() if messages else await receive()

    return replay, len(data)
