"""Files that are either whole or not there."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_PART = ".part-"  # begins temporary names


@contextmanager
def atomic_path(target: Path) -> Iterator[Path]:
    """Give a temporary path beside `target`, which takes its name only if the block ends without an error.

    The temporary name keeps the suffix of `target`, because libraries choose a format by it.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=_PART, suffix=target.suffix, dir=target.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        _to_disk(temporary)
        temporary.chmod(0o666 & ~_umask())  # mkstemp made it private
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)


def remove_parts(folder: Path) -> None:
    """Remove the temporary files that a process which was ended left in `folder`."""
    for part in folder.glob(f"{_PART}*"):
        part.unlink(missing_ok=True)


def _to_disk(path: Path) -> None:
    """Have the system write the file out, or a power cut could leave its name with nothing in it."""
    with path.open("r+b") as file:
        os.fsync(file.fileno())


def write_text(target: Path, text: str) -> None:
    """Write `text` to `target` in UTF-8, whole or not at all."""
    with atomic_path(target) as temporary:
        temporary.write_text(text, encoding="utf-8")


def _umask() -> int:
    mask = os.umask(0o022)
    os.umask(mask)
    return mask
