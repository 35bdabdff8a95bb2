"""A tar as a stream: its files in order, in memory and time that its headers cannot choose.

Each header is parsed by tarfile; the walk from one to the next is here, because tarfile's reads names and PAX records
as long as they say they are, chains of them by recursion, and goes on for 2^62 bytes behind the end of the stream.
"""

import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

MAX_MEMBERS = 1_000_000  # the largest part of Open Images has 156,541
MAX_MEMBER_BYTES = 1 << 33  # what a plain header can say
MAX_NAME_BYTES = 255  # of a file, without its folders; file systems allow no more
MAX_EXTENSION_BYTES = 4096  # of a long name, or of the PAX records of a file
CHUNK = 1 << 20

_LONG_NAME = tarfile.GNUTYPE_LONGNAME
_PAX = (tarfile.XHDTYPE, tarfile.SOLARIS_XHDTYPE)
_PASSED_OVER = (tarfile.GNUTYPE_LONGLINK, tarfile.XGLTYPE)  # extensions that say nothing of a file's name or size
_WITHOUT_CONTENT = (
    tarfile.DIRTYPE, tarfile.LNKTYPE, tarfile.SYMTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE,
)  # fmt: skip


class Stream(Protocol):
    """Bytes in order; fewer than asked for come at the end only."""

    def read(self, size: int, /) -> bytes: ...


@dataclass(frozen=True)
class File:
    """A file of the tar: its base name, its length in bytes, and its content, or None if it is longer than allowed."""

    name: str
    size: int
    content: bytes | None


def files(stream: Stream, longest: int) -> Iterator[File]:
    """The regular files of a tar, with the content of those of at most `longest` bytes.

    Raises tarfile.TarError if the tar is broken, ends too early, or a header is out of bounds.
    """
    said: dict[str, str] = {}  # of the next member, by the headers before its own
    for header in _headers(stream):
        if header.type in (_LONG_NAME, *_PAX):
            said |= _extension(header, stream)
        elif header.type in _PASSED_OVER:
            _pass_over(stream, header.size)
        elif header.type in _WITHOUT_CONTENT:
            said = {}
        else:
            name, size = _base_name(said.get("path", header.name)), _size(said.get("size", str(header.size)))
            said = {}
            content = _content(stream, size) if size <= longest else None
            if content is None:
                _pass_over(stream, size)
            if header.isreg():
                yield File(name, size, content)


def _headers(stream: Stream) -> Iterator[tarfile.TarInfo]:
    for number in range(MAX_MEMBERS):
        block = stream.read(tarfile.BLOCKSIZE)
        if number == 0 and not block:
            raise tarfile.ReadError("it is empty")
        if not block.strip(b"\0"):  # the mark of the end, or the end
            return
        header = tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
        if header.type == tarfile.GNUTYPE_SPARSE:  # whose map may go on without end
            raise tarfile.ReadError("it holds a sparse file")
        _size(str(header.size))
        yield header
    raise tarfile.ReadError(f"it has more than {MAX_MEMBERS:,} members")


def _extension(header: tarfile.TarInfo, stream: Stream) -> dict[str, str]:
    """Read a header of a long name or of PAX records, about the next member: `path` and `size` at most."""
    if header.size > MAX_EXTENSION_BYTES:
        raise tarfile.ReadError(f"a name or PAX header of {header.size:,} bytes")
    content = _content(stream, header.size)
    if header.type == _LONG_NAME:
        return {"path": _text(content.partition(b"\0")[0])}
    return {key: value for key, value in _pax_records(content) if key in ("path", "size")}


def _pax_records(content: bytes) -> Iterator[tuple[str, str]]:
    """Records "length key=value\\n", where the length is that of the whole record."""
    while content:
        digits, _, _ = content.partition(b" ")
        if not digits.isdigit() or len(digits) > 4 or not len(digits) + 1 < int(digits) <= len(content):
            raise tarfile.ReadError("a PAX header is broken")
        key, _, value = content[len(digits) + 1 : int(digits) - 1].partition(b"=")
        yield _text(key), _text(value)
        content = content[int(digits) :]


def _size(said: str) -> int:
    if not said.isascii() or not said.isdigit() or len(said) > 19 or int(said) > MAX_MEMBER_BYTES:
        raise tarfile.ReadError(f"a member says that it is {said[:30]} bytes long")
    return int(said)


def _base_name(path: str) -> str:
    name = path.rpartition("/")[2].encode(errors="replace").decode()
    if len(name.encode()) > MAX_NAME_BYTES or "\0" in name:
        raise tarfile.ReadError(f"the name {name[:30]!a} is longer than {MAX_NAME_BYTES} bytes, or holds a NUL")
    return name


def _content(stream: Stream, size: int) -> bytes:
    content = stream.read(size)
    if len(content) < size:
        raise tarfile.ReadError("it ends within a member")
    stream.read(-size % tarfile.BLOCKSIZE)
    return content


def _pass_over(stream: Stream, size: int) -> None:
    left = size + -size % tarfile.BLOCKSIZE
    while left:
        passed = len(stream.read(min(left, CHUNK)))
        if not passed:
            raise tarfile.ReadError("it ends within a member")
        left -= passed


def _text(content: bytes) -> str:
    return content.decode("utf-8", "surrogateescape")
