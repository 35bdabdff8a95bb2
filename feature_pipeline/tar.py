"""Streaming tar reader with bounded memory and time, whatever the headers say.

tarfile parses each header, but this module walks from one to the next: tarfile reads names and PAX records of any
declared length, chains of them by recursion, and continues for 2^62 bytes past the end of the stream.
"""

import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

MAX_MEMBERS = 1_000_000  # the largest part of Open Images has 156,541
MAX_MEMBER_BYTES = 1 << 33  # the limit of a plain header
MAX_NAME_BYTES = 255  # of a file without its folders, the limit of file systems
MAX_EXTENSION_BYTES = 4096  # of a long name or of a file's PAX records
CHUNK = 1 << 20

_LONG_NAME = tarfile.GNUTYPE_LONGNAME
_PAX = (tarfile.XHDTYPE, tarfile.SOLARIS_XHDTYPE)
_SKIPPED = (tarfile.GNUTYPE_LONGLINK, tarfile.XGLTYPE)  # extensions without a file's name or size
_WITHOUT_CONTENT = (
    tarfile.DIRTYPE, tarfile.LNKTYPE, tarfile.SYMTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE,
)  # fmt: skip


class Stream(Protocol):
    """Bytes in order; a read returns fewer than requested only at the end."""

    def read(self, size: int, /) -> bytes: ...


@dataclass(frozen=True)
class File:
    """A file of the tar: base name, length in bytes, and content, None if it is over the limit."""

    name: str
    size: int
    content: bytes | None


def files(stream: Stream, longest: int) -> Iterator[File]:
    """Yield the regular files of a tar, with the content of those of at most `longest` bytes.

    Raises tarfile.TarError if the tar is broken, ends too early, or a header is out of bounds.
    """
    extended: dict[str, str] = {}  # fields of the next member from the extension headers before it
    for header in _headers(stream):
        if header.type in (_LONG_NAME, *_PAX):
            extended |= _extension(header, stream)
        elif header.type in _SKIPPED:
            _skip(stream, header.size)
        elif header.type in _WITHOUT_CONTENT:
            extended = {}
        else:
            name, size = _base_name(extended.get("path", header.name)), _size(extended.get("size", str(header.size)))
            extended = {}
            content = _content(stream, size) if size <= longest else None
            if content is None:
                _skip(stream, size)
            if header.isreg():
                yield File(name, size, content)


def _headers(stream: Stream) -> Iterator[tarfile.TarInfo]:
    for number in range(MAX_MEMBERS):
        block = stream.read(tarfile.BLOCKSIZE)
        if number == 0 and not block:
            raise tarfile.ReadError("it is empty")
        if not block.strip(b"\0"):  # the end marker, or the end
            return
        header = tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
        if header.type == tarfile.GNUTYPE_SPARSE:  # its map may be endless
            raise tarfile.ReadError("it has a sparse file")
        _size(str(header.size))
        yield header
    raise tarfile.ReadError(f"it has more than {MAX_MEMBERS:,} members")


def _extension(header: tarfile.TarInfo, stream: Stream) -> dict[str, str]:
    """Read a long-name or PAX header: the `path` and `size` of the next member, where given."""
    if header.size > MAX_EXTENSION_BYTES:
        raise tarfile.ReadError(f"a name or PAX header of {header.size:,} bytes")
    content = _content(stream, header.size)
    if header.type == _LONG_NAME:
        return {"path": _text(content.partition(b"\0")[0])}
    return {key: value for key, value in _pax_records(content) if key in ("path", "size")}


def _pax_records(content: bytes) -> Iterator[tuple[str, str]]:
    """Parse records "length key=value\\n", where the length is that of the whole record."""
    while content:
        digits, _, _ = content.partition(b" ")
        if not digits.isdigit() or len(digits) > 4 or not len(digits) + 1 < int(digits) <= len(content):
            raise tarfile.ReadError("a PAX header is broken")
        key, _, value = content[len(digits) + 1 : int(digits) - 1].partition(b"=")
        yield _text(key), _text(value)
        content = content[int(digits) :]


def _size(text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 19 or int(text) > MAX_MEMBER_BYTES:
        raise tarfile.ReadError(f"a member has an invalid size, {text[:30]} bytes")
    return int(text)


def _base_name(path: str) -> str:
    name = path.rpartition("/")[2].encode(errors="replace").decode()
    if len(name.encode()) > MAX_NAME_BYTES or "\0" in name:
        raise tarfile.ReadError(f"the name {name[:30]!a} is longer than {MAX_NAME_BYTES} bytes, or has a NUL")
    return name


def _content(stream: Stream, size: int) -> bytes:
    content = stream.read(size)
    if len(content) < size:
        raise tarfile.ReadError("it ends within a member")
    stream.read(-size % tarfile.BLOCKSIZE)
    return content


def _skip(stream: Stream, size: int) -> None:
    left = size + -size % tarfile.BLOCKSIZE
    while left:
        skipped = len(stream.read(min(left, CHUNK)))
        if not skipped:
            raise tarfile.ReadError("it ends within a member")
        left -= skipped


def _text(content: bytes) -> str:
    return content.decode("utf-8", "surrogateescape")
