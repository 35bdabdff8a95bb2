"""Standard output and standard error, for any file name and for readers that go away."""

import codecs
import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TextIO

_ANY_NAME = "any_name"


def _encode_any_name(error: UnicodeError) -> tuple[str | bytes, int]:
    """Encode the bytes of a name that is not in UTF-8 as they were, and write characters without a code as \\uXXXX."""
    try:
        return codecs.lookup_error("surrogateescape")(error)
    except UnicodeError:
        return codecs.lookup_error("backslashreplace")(error)


codecs.register_error(_ANY_NAME, _encode_any_name)


@contextmanager
def for_any_name() -> Iterator[None]:
    """Let both streams accept all file names, and end without complaint if the reader of the output has gone."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=_ANY_NAME)
    try:
        yield
    finally:
        with suppress(OSError, ValueError):  # Python itself reports a full disk; a test may have closed the stream
            say("", end="")


def say(line: str, stream: TextIO | None = None, end: str = "\n") -> None:
    """Write a line at once; if the reader has gone (`| head -1`), this and all further lines are dropped."""
    stream = stream or sys.stdout
    try:
        print(line, file=stream, end=end, flush=True)
    except BrokenPipeError:
        discard(stream)


def discard(stream: TextIO) -> None:
    """Send what is still written to a stream nowhere."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)
