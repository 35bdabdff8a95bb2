"""Atomic file writes."""

import os
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

PART = ".part-"  # prefix of temporary names


@contextmanager
def atomic_path(target: Path) -> Iterator[Path]:
    """Yield a temporary path in the folder of `target`; rename it to `target` if the block raises nothing.

    The temporary name keeps the suffix of `target`, because libraries choose the format by it.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f"{PART}{secrets.token_hex(8)}{target.suffix}")
    with _named(target, temporary):
        try:
            temporary.touch(exist_ok=False)  # inside, because Ctrl-C may come right after it
            yield temporary
            _to_disk(temporary)
            temporary.replace(target)
        finally:
            temporary.unlink(missing_ok=True)


@contextmanager
def _named(target: Path, temporary: Path) -> Iterator[None]:
    """Name the target in errors of the operating system, not the temporary file, of which nobody knows."""
    try:
        yield
    except OSError as error:
        if error.filename == str(temporary):
            error.filename = str(target)
        raise


@contextmanager
def atomic_path_in_folder(target: Path) -> Iterator[Path]:
    """Yield a path in a new folder beside `target`, and rename it as `atomic_path` does.

    For a file that another process writes: what that leaves when it is killed is removed, too.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=PART, dir=target.parent) as folder:
        temporary = Path(folder) / target.name
        yield temporary
        temporary.replace(target)


def remove_parts(folder: Path, unchanged: float | None = None) -> None:
    """Remove temporary files and folders that killed processes left in `folder`.

    unchanged: only those that nothing was written to for so many seconds, if other processes may be writing there.
    """
    for part in folder.glob(f"{PART}*"):
        with suppress(FileNotFoundError):  # its process has ended meanwhile
            if unchanged is None or time.time() - part.stat().st_mtime > unchanged:
                _remove(part)


def _remove(part: Path) -> None:
    if part.is_dir():
        shutil.rmtree(part, ignore_errors=True)
    else:
        part.unlink()


def _to_disk(path: Path) -> None:
    """Flush the file to disk; otherwise a power cut after the rename could leave it empty."""
    with path.open("r+b") as file:
        os.fsync(file.fileno())


def write_text(target: Path, text: str) -> None:
    """Write `text` to `target` atomically, as UTF-8."""
    with atomic_path(target) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_text_once(target: Path, text: str) -> None:
    """Write `text` to `target` atomically, as UTF-8, unless another process has written it first."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=PART, dir=target.parent) as folder:
        written = Path(folder) / target.name
        write_text(written, text)
        with suppress(FileExistsError):
            os.link(written, target)
