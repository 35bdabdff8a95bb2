"""A PNG without those of its chunks that are damaged and no pixels, for which Pillow refuses the whole picture."""

import io
from bisect import bisect_right
from typing import BinaryIO

from upscaler.pictures.png_file import PROFILE, Chunk, Head, PngError, data_of, fault_of, heads, is_beside
from upscaler.pictures.png_texts import LONGEST_TEXT, LONGEST_TEXTS, TEXTS, profile_in, text_of


def repaired(file: BinaryIO) -> BinaryIO | None:
    """Return a view of a PNG without damaged chunks; None if there are none, or the file is no PNG."""
    try:
        gaps = _damaged_chunks(file)
    except PngError:
        return None
    return io.BufferedReader(_View(file, gaps)) if gaps else None


def _damaged_chunks(file: BinaryIO) -> list[range]:
    """Return the places of chunks that are no pixels and are damaged, or hold or pack too long a text or profile.

    Raises PngError if the file is no PNG.
    """
    found, room = list[range](), LONGEST_TEXTS
    for head in heads(file):
        if is_beside(head):
            size = _unpacked_size(file, head, room)
            room -= size
            if size >= LONGEST_TEXT or fault_of(file, head):
                found.append(range(head.place, head.end))
    return found


def _unpacked_size(file: BinaryIO, head: Head, room: int) -> int:
    """Return the length of a text or profile; `LONGEST_TEXT` if it is damaged or too long, or there is no room."""
    if head.kind not in (*TEXTS, PROFILE):
        return 0
    if head.length > LONGEST_TEXT or room <= 0:
        return LONGEST_TEXT
    data = data_of(file, head)
    unpacked = profile_in(data) or None if head.kind == PROFILE else text_of(Chunk(head.kind, data))
    return LONGEST_TEXT if unpacked is None else len(unpacked)


class _View(io.RawIOBase):
    """A file without some ranges, which are in order."""

    def __init__(self, file: BinaryIO, gaps: list[range]) -> None:
        self._file, self._place, self._size = file, 0, file.seek(0, io.SEEK_END)
        self._starts, self._skipped = [0], [0]  # by piece: its place in the view, and the bytes left out before it
        for gap in gaps:
            self._starts.append(gap.start - self._skipped[-1])
            self._skipped.append(self._skipped[-1] + len(gap))

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        origin = {io.SEEK_SET: 0, io.SEEK_CUR: self._place, io.SEEK_END: self._size - self._skipped[-1]}[whence]
        self._place = max(origin + offset, 0)
        return self._place

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        piece = bisect_right(self._starts, self._place) - 1
        last = piece + 1 == len(self._starts)
        left = len(buffer) if last else min(len(buffer), self._starts[piece + 1] - self._place)
        self._file.seek(self._place + self._skipped[piece])
        content = self._file.read(left)
        buffer[: len(content)] = content
        self._place += len(content)
        return len(content)
