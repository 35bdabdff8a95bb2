"""Zip file of several results, made while it is sent: it takes no disk space, and the first bytes come at once."""

import io
import os
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
