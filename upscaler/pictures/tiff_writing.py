"""Writing of TIFFs: libvips encodes each page as a file, and their directories are linked to one chain."""

import io
import logging
import mmap
import struct
from collections.abc import Callable
from typing import Any, BinaryIO, TypeVar

from upscaler.pictures.directories import layout_of
from upscaler.pictures.header import Frame
from upscaler.pictures.insertion import insert
from upscaler.pictures.metadata import Metadata
from upscaler.pictures.tiff_exif import is_fixed, laid_out, shift
from upscaler.pictures.tiff_metadata import IPTC_TAG
from upscaler.pictures.vips import pyvips
from upscaler.pictures.vips_writing import DEFLATE_LEVEL, vips_image

_HEADER = 8  # bytes; the last four are the offset of the first directory
_UNDEFINED = 7  # type of an entry: bytes
_MOST = 2**32 - 2**28  # bytes of pixels: offsets in a plain TIFF have 32 bits

Result = TypeVar("Result")

_log = logging.getLogger(__name__)


def write_tiff(file: BinaryIO, frames: list[Frame], metadata: Metadata, name: str) -> None:
    """Write the pages of a TIFF, each in its own size, depth and channels, emptying the list.

    metadata: of the first page; the others have their own colour profile, and the resolution of the first. name: of
    the source, for warnings.
    """
    is_big = sum(frame.pixels.nbytes for frame in frames) > _MOST
    link = _append(file, frames.pop(0), metadata, is_big)
    while frames:  # release each page once it is encoded
        frame = frames.pop(0)
        link = _append(file, frame, Metadata(profile=frame.profile, dpi=metadata.dpi), is_big, link)
    _add_metadata(file, metadata, name)


def _append(file: BinaryIO, page: Frame, metadata: Metadata, is_big: bool, link: int | None = None) -> int:
    """Write a page as a TIFF at the end of a file, and let the last page's link point at it; return its own link."""
    start = _even_end(file)
    tail = _Tail(file, start)
    try:
        vips_image(page, metadata).tiffsave_target(
            tail, compression="deflate", level=DEFLATE_LEVEL, predictor="horizontal", bigtiff=is_big
        )
    except pyvips.Error as error:
        raise tail.error or error from None
    file.flush()
    with mmap.mmap(file.fileno(), 0) as content:
        last = shift(content, start, start)
        if link is not None:
            layout = layout_of(content)
            first, size = start + layout.first, layout.size(layout.pointer)
            content[link : link + size] = content[first : first + size]
    return last


class _Tail(pyvips.TargetCustom):  # type: ignore[misc]
    """The rest of a file from a place on, for libvips, which takes it for a file."""

    def __init__(self, file: BinaryIO, start: int) -> None:
        super().__init__()
        self._file, self._start = file, start
        self.error: OSError | None = None  # libvips says only that it cannot write
        self.on_write(lambda content: self._done(file.write, content, otherwise=-1))
        self.on_read(lambda size: self._done(file.read, size, otherwise=b""))
        self.on_seek(lambda offset, whence: self._done(self._seek, offset, whence, otherwise=-1))

    def _done(self, work: Callable[..., Result], *arguments: Any, otherwise: Result) -> Result:
        try:
            return work(*arguments)
        except OSError as error:  # of any of them, for they may all write what is in the buffer
            self.error = error
            return otherwise

    def _seek(self, offset: int, whence: int) -> int:
        return self._file.seek(offset + (self._start if whence == io.SEEK_SET else 0), whence) - self._start


def _add_metadata(file: BinaryIO, metadata: Metadata, name: str) -> None:
    """Add EXIF and IPTC, which libvips omits or cuts off, to the first directory of a TIFF."""
    iim = metadata.iptc.iim
    if not (metadata.exif or iim):
        return
    file.seek(0)
    if file.read(4) != b"II*\0":
        _log.warning("%s: dropped its EXIF and IPTC, which a TIFF of more than 4 GB cannot hold", name)
        return
    if metadata.exif:
        _add_exif(file, metadata.exif, name)
    if iim:
        place = _even_end(file)
        file.write(iim)
        _add_entries(file, {IPTC_TAG: struct.pack("<HHII", IPTC_TAG, _UNDEFINED, len(iim), place)})


def _add_exif(file: BinaryIO, block: bytes, name: str) -> None:
    if is_fixed(block):  # keep its offset in the block; pixels move up
        gap = block[_HEADER:] + bytes(len(block) % 2)
        insert(file, _HEADER, gap)
        with mmap.mmap(file.fileno(), 0) as content:
            shift(content, len(gap))
    place = _even_end(file)
    directories, warnings = laid_out(block, place)
    for sentence in warnings:
        _log.warning("%s: %s", name, sentence)
    file.write(directories)
    _add_entries(file, _entries(file, place)[0])


def _add_entries(file: BinaryIO, entries: dict[int, bytes]) -> None:
    """Add entries to the first directory of a TIFF, which keeps its own, in a new one at the end of the file."""
    file.seek(4)
    own, next_page = _entries(file, struct.unpack("<I", file.read(4))[0])
    merged = entries | own
    place = _even_end(file)
    file.write(struct.pack("<H", len(merged)) + b"".join(merged[tag] for tag in sorted(merged)) + next_page)
    file.seek(4)
    file.write(struct.pack("<I", place))


def _even_end(file: BinaryIO) -> int:
    """Go to the end of a file, where a directory may stand: an even place."""
    end = file.seek(0, io.SEEK_END)
    return end + file.write(bytes(end % 2))


def _entries(file: BinaryIO, place: int) -> tuple[dict[int, bytes], bytes]:
    """Return a TIFF directory's 12-byte entries by tag, and the stored offset of the next directory."""
    file.seek(place)
    count = struct.unpack("<H", file.read(2))[0]
    entries = [file.read(12) for _ in range(count)]
    return {struct.unpack_from("<H", entry)[0]: entry for entry in entries}, file.read(4)
