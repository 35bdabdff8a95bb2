"""Messages between the serving process and its worker: lines of JSON, no pixels and no pickles.

The worker has opened untrusted files, so the serving process limits lines and numbers.
"""

import logging
from collections.abc import Iterator
from contextlib import suppress
from typing import IO, Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

LONGEST_LINE = 1 << 16  # bytes
_LONGEST_SENTENCE = 4000  # characters

log = logging.getLogger(__name__)

Share = Annotated[float, Field(ge=0, le=1)]
Amount = Annotated[float, Field(ge=0, le=1e12)]
Sentence = Annotated[str, Field(max_length=_LONGEST_SENTENCE)]


class Request(BaseModel):
    """A job's name and arguments; the first request configures the worker."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    job: str
    arguments: dict[str, Any]


class Update(BaseModel):
    """Progress of a job: `share` done in [0, 1], output `megapixels` so far, `seconds` elapsed."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["update"] = "update"
    share: Share = 0.0
    megapixels: Amount = 0.0
    seconds: Amount = 0.0


class Done(BaseModel):
    """End of a successful job, with its result."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["done"] = "done"
    result: dict[str, Any]


class Refused(BaseModel):
    """End of a job that failed with a message for the user."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["refused"] = "refused"
    sentence: Sentence


class Failed(BaseModel):
    """End of a job with an OSError, with the arguments of the exception."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["failed"] = "failed"
    errno: int
    strerror: Sentence
    filename: Sentence | None = None


class OutOfMemory(BaseModel):
    """End of a job that needed more memory than its limit."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["out of memory"] = "out of memory"


class Crashed(BaseModel):
    """End of a job that failed unexpectedly, with the traceback for the log."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["crashed"] = "crashed"
    traceback: Sentence


Message = Update | Done | Refused | Failed | OutOfMemory | Crashed
_MESSAGE: TypeAdapter[Message] = TypeAdapter(Annotated[Message, Field(discriminator="kind")])


def to_line(message: BaseModel) -> bytes:
    """Encode a message as one line. Raises ValueError if it is too long."""
    line = message.model_dump_json().encode() + b"\n"
    if len(line) > LONGEST_LINE:
        raise ValueError(f"a message of {len(line)} bytes is longer than {LONGEST_LINE}")
    return line


def from_line(line: bytes) -> Message:
    """Decode a worker's line. Raises ValueError if it is too long or not a message."""
    if len(line) > LONGEST_LINE:
        raise ValueError("the worker sent a line that is too long")
    try:
        return _MESSAGE.validate_json(line)
    except ValidationError as error:
        raise ValueError("the worker sent a line that is not a message") from error


def send(pipe: IO[bytes], request: Request) -> None:
    """Write a request; if its process has ended, the other pipe reports it. Raises ValueError if it is too long."""
    line = to_line(request)
    with suppress(OSError):
        pipe.write(line)
        pipe.flush()


def received(pipe: IO[bytes]) -> Iterator[Message]:
    """Yield a process's messages until it ends or breaks the protocol, which goes to the log."""
    try:
        while line := pipe.readline(LONGEST_LINE + 1):
            yield from_line(line)
    except ValueError as error:  # or the pipe was closed here
        log.error("%s", error)


def last_of(text: str) -> str:
    """Truncate a text to its end, at a message's maximum length."""
    return text[-_LONGEST_SENTENCE:]
