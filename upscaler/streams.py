"""Standard output and standard error, for any file name and for readers that go away."""

import codecs
import io
import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TextIO
from unicodedata import category

_ANY_NAME = "any_name"
_STANDARD_ERROR = 2


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
    _open_closed()
    if logging.lastResort:  # the handler of a process without others; records stay as they are
        logging.lastResort.setFormatter(EscapingFormatter())
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=_ANY_NAME)
    try:
        yield
    finally:
        with suppress(OSError, ValueError):  # Python itself reports a full disk; a test may have closed the stream
            say("", end="")


def _open_closed() -> None:
    """Lead standard streams that are closed (`2>&-`) nowhere; otherwise the next files would get their numbers.

    Standard input and output stay None, by which commands tell that they are closed.
    """
    while (number := os.open(os.devnull, os.O_RDWR)) <= _STANDARD_ERROR:
        os.set_inheritable(number, True)
    os.close(number)
    if sys.stderr is None:
        sys.stderr = open(_STANDARD_ERROR, "w", encoding="utf-8")  # noqa: SIM115  # until the process ends


def say(line: str, stream: TextIO | None = None, end: str = "\n") -> None:
    """Write a line at once; if the reader has gone (`| head -1`), this and all further lines are dropped."""
    stream = stream or sys.stdout
    try:
        print(line, file=stream, end=end, flush=True)
    except BrokenPipeError:
        discard(stream)


def warn(sentence: object) -> None:
    """Write a warning to standard error, with its control characters escaped."""
    say(escaped(f"warning: {sentence}"), sys.stderr)


def escaped(text: str) -> str:
    """Return a text with its control characters escaped, which would begin a line or steer the terminal."""
    return "".join(repr(one)[1:-1] if category(one) == "Cc" else one for one in text)


class EscapingFormatter(logging.Formatter):
    """Formatter of a command's log records that escapes their messages; a traceback after one keeps its lines."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802  # logging's name
        """Return the message, escaped."""
        return escaped(super().formatMessage(record))


def discard(stream: TextIO) -> None:
    """Send what is still written to a stream nowhere."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)
