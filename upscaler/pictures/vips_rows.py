"""Images of libvips whose rows are still computed while an encoder reads them.

libvips pulls the pixels from its input, and offers Python no input but memory, which it reads at once, and files, which
it reads from a source of any kind. So the array is presented as what would be its uncompressed TIFF.
"""

import io
import struct
from itertools import accumulate

from upscaler.pictures.rows import Rows
from upscaler.pictures.vips import pyvips
from upscaler.pixels import Pixels

_STRIP = 1_000_000  # bytes, at least a row; libvips reads a strip at once
_LONG8 = 16  # type of an entry
_START = struct.Struct("<2sHHHQ")  # byte order, kind of TIFF, bytes of an offset, 0, first directory
_COUNT, _ENTRY, _LINK = struct.Struct("<Q"), struct.Struct("<HHQQ"), struct.Struct("<Q")


def image_of_rows(pixels: Pixels, rows: Rows) -> pyvips.Image:
    """Return an image of `pixels`, 1 or 3 channels, whose reader waits for rows that are not done.

    Reading it raises pyvips.Error if the rows are abandoned. It can be read once, from the top.
    """
    source, content = pyvips.SourceCustom(), _UncompressedTiff(pixels, rows)
    source.on_read(content.read)
    source.on_seek(content.seek)
    return pyvips.Image.new_from_source(source, "", access="sequential", fail_on="error")


class _UncompressedTiff:
    """Content of the file; it must not refer to the source, or both would wait for the garbage collector."""

    def __init__(self, pixels: Pixels, rows: Rows) -> None:
        self._pixels, self._rows, self._place = pixels, rows, 0
        self._header = _header(pixels)
        self._size = len(self._header) + pixels.nbytes

    def read(self, size: int) -> bytes:
        start = self._place - len(self._header)
        content = self._header[self._place :][:size] if start < 0 else self._read_pixels(start, size)
        self._place += len(content)
        return content

    def _read_pixels(self, start: int, size: int) -> bytes:
        row = self._pixels[0].nbytes
        first, end = start // row, -(-(start + size) // row)
        if not self._rows.wait_for(min(end, len(self._pixels))):
            return b""  # which libvips takes for the end of a broken file
        return self._pixels[first:end].tobytes()[start - first * row :][:size]

    def seek(self, offset: int, whence: int) -> int:
        self._place = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._place, io.SEEK_END: self._size}[whence]
        return self._place


def _header(pixels: Pixels) -> bytes:
    """Return the start of a BigTIFF (of any size, that is), up to the pixels.

    Source: https://www.awaresystems.be/imaging/tiff/bigtiff.html
    """
    height, width, channels = pixels.shape
    row = width * channels * pixels.itemsize
    rows = max(1, _STRIP // row)
    lengths = [min(rows, height - first) * row for first in range(0, height, rows)]
    entries = {
        256: [width],
        257: [height],
        258: [8 * pixels.itemsize] * channels,
        259: [1],  # no compression
        262: [2 if channels == 3 else 1],  # colour, or gray of which 0 is black
        273: list(accumulate(lengths[:-1], initial=0)),  # where the strips are
        277: [channels],
        278: [rows],  # of a strip
        279: lengths,
    }
    place = _START.size + _COUNT.size + len(entries) * _ENTRY.size + _LINK.size  # of the values of the next long entry
    after = place + _LINK.size * sum(len(values) for values in entries.values() if len(values) > 1)
    entries[273] = [after + start for start in entries[273]]
    directory, tables = _COUNT.pack(len(entries)), b""
    for tag, values in entries.items():
        is_long = len(values) > 1
        directory += _ENTRY.pack(tag, _LONG8, len(values), place + len(tables) if is_long else values[0])
        tables += struct.pack(f"<{len(values)}Q", *values) if is_long else b""
    return _START.pack(b"II", 43, 8, 0, _START.size) + directory + _LINK.pack(0) + tables
