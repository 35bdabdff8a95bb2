"""Bodies of requests: bounded in bytes and in time before anything parses them."""

import asyncio
import json
import time
from typing import Any

from python_multipart import MultipartParser
from python_multipart.exceptions import MultipartParseError
from python_multipart.multipart import parse_options_header
from starlette.types import Message, Receive

from apps.serving.refusal import RequestRefusedError

MOST_JSON = 1_000_000  # bytes
MOST_FIELDS = 64_000  # bytes of all form fields and part headers of an upload together
MOST_FILES = 50  # of one upload, and of one job
_PATIENCE = 30.0  # seconds for a body, and more with each byte that has come:
_SLOWEST = 8_000  # bytes a second


class BoundedBody:
    """An ASGI `receive` that refuses a body of too many bytes, or one that comes too slowly."""

    def __init__(self, receive: Receive, most_bytes: int) -> None:
        self._receive, self._most_bytes = receive, most_bytes
        self._began, self._bytes, self._ended = time.monotonic(), 0, False

    async def __call__(self) -> Message:
        """Receive the next message. Raises RequestRefusedError."""
        if self._ended:  # what still comes is that the client has gone
            return await self._receive()
        seconds = _PATIENCE + self._bytes / _SLOWEST - (time.monotonic() - self._began)
        try:
            message = await asyncio.wait_for(self._receive(), max(seconds, 0))
        except TimeoutError:
            raise RequestRefusedError(408, "the request came too slowly; try again on a better connection") from None
        self._bytes += len(message.get("body", b""))
        self._ended = not message.get("more_body", False)
        if self._bytes > self._most_bytes:
            raise RequestRefusedError(
                413, f"the request is larger than {self._most_bytes / 1e6:.0f} MB; send less at once"
            )
        return message


class FilesOnly:
    """An ASGI `receive` of an upload: refuses long form fields, which Gradio keeps in memory, and too many files."""

    def __init__(self, receive: Receive, content_type: str) -> None:
        """Raises RequestRefusedError if the content is no form with files."""
        kind, options = parse_options_header(content_type)
        if kind != b"multipart/form-data" or not options.get(b"boundary"):
            raise RequestRefusedError(400, "an upload is a form of the type multipart/form-data")
        self._receive = receive
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
            raise RequestRefusedError(400, "the upload is no form that can be read; send it again") from error
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
        self._in_file = b"filename" in parse_options_header(self._disposition)[1]  # as Gradio's parser has it
        self._files += self._in_file
        if self._files > MOST_FILES:
            raise RequestRefusedError(413, f"the upload has more than {MOST_FILES} files; send fewer at once")

    def _add_data(self, _data: bytes, start: int, end: int) -> None:
        if not self._in_file:
            self._count(end - start)

    def _count(self, more: int) -> None:
        self._field_bytes += more
        if self._field_bytes > MOST_FIELDS:
            raise RequestRefusedError(413, "the upload's form fields are too long; send files alone")


async def read_json(receive: Receive) -> dict[str, Any]:
    """Read a JSON object of at most 1 MB. Raises RequestRefusedError if the body is none."""
    bounded, body, more = BoundedBody(receive, MOST_JSON), bytearray(), True
    while more:
        message = await bounded()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    try:
        value = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise RequestRefusedError(400, "the request's body is no JSON that can be read") from error
    if not isinstance(value, dict):
        raise RequestRefusedError(400, "the request's body is no JSON object")
    return value


def replayed(body: dict[str, Any], receive: Receive) -> tuple[Receive, int]:
    """Return an ASGI `receive` that gives a JSON body once, then what the client sends; and the body's length."""
    data = json.dumps(body).encode()
    messages: list[Message] = [{"type": "http.request", "body": data, "more_body": False}]

    async def again() -> Message:
        return messages.pop() if messages else await receive()

    return again, len(data)
