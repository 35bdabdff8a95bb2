"""Errors as people see them: one sentence on standard error and an exit code, never a traceback."""

import errno
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from upscaler.errors import DoubleResolutionError
from upscaler.signals import Stopped
from upscaler.streams import escaped

_DENIED = ("permission denied", "change the permissions or give another place")
_FULL = ("the disk is full", "free some space and run the same command again")
_KNOWN = {  # errors of the operating system in words, with what to do
    errno.EACCES: _DENIED,
    errno.EPERM: _DENIED,
    errno.EROFS: ("the disk can only be read", "give another place"),
    errno.ENOSPC: _FULL,
    errno.EDQUOT: _FULL,
    # Of a folder that is made; files are replaced, or refused before
    errno.EEXIST: ("there is a file where a folder is meant", "give another place"),
    errno.ENOTDIR: ("a part of this path is a file, not a folder", "correct it"),
    errno.EISDIR: ("there is a folder where a file is meant", "name a file"),
}

INTERRUPTED = 130  # 128 + SIGINT, as shells report it


@contextmanager
def one_sentence_errors() -> Iterator[None]:
    """Exit with code 1 and one sentence on standard error for an expected failure, with 128 + n for signal n."""
    try:
        yield
    except (DoubleResolutionError, OSError) as error:
        sys.exit(error_line(error))
    except MemoryError:
        sys.exit("error: this needs more memory than is free; free memory, or give a smaller input")
    except ModuleNotFoundError as error:
        if error.name and (extra := extra_with(error.name)):
            sys.exit(f"error: {error.name} is missing; install it with pip install 'double-resolution[{extra}]'")
        raise
    except KeyboardInterrupt as error:
        print("stopped", file=sys.stderr)
        sys.exit(error.exit_code if isinstance(error, Stopped) else INTERRUPTED)


def error_line(error: DoubleResolutionError | OSError) -> str:
    """Return the line about an error, in which control characters, as of a file's name, are escaped."""
    return escaped(f"error: {sentence_for(error) if isinstance(error, OSError) else error}")


def sentence_for(error: OSError) -> str:
    """Describe an error of the operating system in one sentence, with the file's name."""
    place = f" ({error.filename})" if error.filename else ""
    what, remedy = _KNOWN.get(error.errno or 0, ((error.strerror or str(error)).lower(), ""))
    return f"{what}{place}; {remedy}" if remedy else f"{what}{place}"


def extra_with(module: str) -> str | None:
    """Return the extra of this project that installs a module; None if none does, or the project isn't installed."""
    from importlib.metadata import PackageNotFoundError, metadata  # takes 25 ms, a third of what a --help needs

    from packaging.requirements import Requirement
    from packaging.utils import canonicalize_name

    with suppress(PackageNotFoundError):
        project = metadata("double-resolution")
        extras = project.get_all("Provides-Extra") or []
        for wanted in map(Requirement, project.get_all("Requires-Dist") or []):
            marker = wanted.marker
            if canonicalize_name(wanted.name) == canonicalize_name(module) and marker:
                return next((extra for extra in extras if marker.evaluate({"extra": extra})), None)
    return None
