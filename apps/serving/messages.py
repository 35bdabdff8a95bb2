"""Lines of JSON between the serving process and its worker: no pixels and no pickles cross.

The serving process reads these from a process that opened a stranger's file, so lines and numbers are bounded.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from upscaler import Progress

LONGEST_LINE = 1 << 16  # bytes
_LONGEST_SENTENCE = 4000  # characters

Share = Annotated[float, Field(ge=0, le=1)]
Amount = Annotated[float, Field(ge=0, le=1e12)]
Sentence = Annotated[str, Field(max_length=_LONGEST_SENTENCE)]


class Request(BaseModel):
    """A job for the worker: its name and its arguments; the first request of a worker configures it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    job: str
    arguments: dict[str, Any]


class Update(BaseModel):
    """Progress of a job: `share` in [0, 1], output `megapixels` so far in `seconds`; `stage` names what is done."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["update"] = "update"
    stage: Sentence = ""
    share: Share = 0.0
    megapixels: Amount = 0.0
    seconds: Amount = 0.0

    @property
    def progress(self) -> Progress:
        """The same as the upscaler says it, with speed and time left."""
        return Progress(self.share, self.megapixels, self.seconds)


class Done(BaseModel):
    """The end of a job that succeeded, with what it found out."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["done"] = "done"
    result: dict[str, Any]


class Nothing(BaseModel):
    """The result of a job that is done for what it writes."""


class Refused(BaseModel):
    """The end of a job that failed for a reason that is meant for the person."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["refused"] = "refused"
    sentence: Sentence


class Failed(BaseModel):
    """The end of a job that the operating system failed: the arguments of the OSError."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["failed"] = "failed"
    errno: int
    strerror: Sentence
    filename: Sentence | None = None


class OutOfMemory(BaseModel):
    """The end of a job that needs more memory than its process may take."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["out of memory"] = "out of memory"


class Crashed(BaseModel):
    """The end of a job that failed unexpectedly, with the traceback for the log."""

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
    """Decode a worker's line. Raises ValueError if it is too long or no message."""
    if len(line) > LONGEST_LINE:
        raise ValueError("the worker sent a line that is too long")
    try:
        return _MESSAGE.validate_json(line)
    except ValidationError as error:
        raise ValueError("the worker sent a line that is no message") from error


def last_of(text: str) -> str:
    """Return as much of the end of a text as a message takes."""
    return text[-_LONGEST_SENTENCE:]
