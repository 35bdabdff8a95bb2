"""Zip file of several results, made while it is sent: it takes no disk space, and the first bytes come at once."""

import io
import os
import secrets
import shutil
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING
from zipfile import ZIP64_LIMIT, ZipFile, ZipInfo

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

File = tuple[Path, str]  # with its name in the zip file
_PART = 1_000_000  # bytes


class _Buffer(io.RawIOBase):
    """Writable file that holds what was written since it was last taken."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def write(self, part: "ReadableBuffer", /) -> int:
        self._parts.append(bytes(part))
        return len(self._parts[-1])

    def take(self) -> bytes:
        taken = b"".join(self._parts)
        self._parts.clear()
        return taken


def zipped(files: Iterable[File]) -> Iterator[bytes]:
    """Yield the bytes of a zip file, uncompressed, because pictures are compressed already."""
    buffer = _Buffer()
    with ZipFile(buffer, "w") as archive:
        for path, name in files:
            with archive.open(ZipInfo.from_file(path, name), "w") as entry:
                for part in parts(path):
                    entry.write(part)
                    yield buffer.take()
    yield buffer.take()


def surviving(files: Sequence[File], folder: Path) -> Iterator[bytes]:
    """Return the bytes of a zip file, all of them even if its files are deleted while it is sent.

    Until then, they are linked into a new folder in `folder`: open, those of a few downloads would be too many for the
    process. Raises OSError if one is gone already.
    """
    parts = _linked(files, folder / f"zip_{secrets.token_hex(4)}")
    next(parts)  # links them
    return parts


def _linked(files: Sequence[File], folder: Path) -> Iterator[bytes]:
    folder.mkdir(parents=True)
    try:
        linked = [(folder / str(number), name) for number, (_, name) in enumerate(files)]
        for (path, _), (link, _) in zip(files, linked, strict=True):
            os.link(path, link)
        yield b""
        yield from zipped(linked)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def parts(path: Path) -> Iterator[bytes]:
    """Yield the bytes of a file."""
    with path.open("rb") as file:
        while part := file.read(_PART):
            yield part


def length(files: Sequence[File]) -> int | None:
    """Return the bytes of the zip file, or None near 2 GB, where entries grow. Raises OSError if a file is gone."""
    content = sum(path.stat().st_size for path, _ in files)
    if 1.1 * content > ZIP64_LIMIT:  # zipfile adds 5 %
        return None
    return content + sum(map(len, zipped((Path(os.devnull), name) for _, name in files)))
