"""Error handling and argument types of the command lines: a failure prints one sentence, not a traceback."""

import argparse
import errno
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from upscaler.errors import DoubleResolutionError

INTERRUPTED = 130  # 128 + SIGINT, as shells report it


@contextmanager
def one_sentence_errors() -> Iterator[None]:
    """Exit with code 1 and one sentence on standard error for an expected failure, with 130 for Ctrl-C."""
    try:
        yield
    except DoubleResolutionError as error:
        sys.exit(f"error: {error}")
    except OSError as error:
        sys.exit(f"error: {sentence_for(error)}")
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        sys.exit(INTERRUPTED)


def sentence_for(error: OSError) -> str:
    """Describe an error of the operating system in one sentence, with the file's name."""
    place = f" ({error.filename})" if error.filename else ""
    if error.errno == errno.ENOSPC:
        return f"the disk is full{place}; free some space and run the same command again"
    return f"{(error.strerror or str(error)).lower()}{place}"


def whole(least: int, most: int) -> Callable[[str], int]:
    """Return an argparse type for whole numbers from `least` to `most`."""

    def number(text: str) -> int:
        if text.isdecimal() and least <= int(text) <= most:
            return int(text)
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from {least} to {most}")

    return number
