"""Encoding of a result beside the network."""

from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, BinaryIO

from upscaler.background import Background
from upscaler.pictures.formats import Format
from upscaler.pictures.header import Frame, Header
from upscaler.pictures.metadata import Metadata
from upscaler.pictures.rows import Rows
from upscaler.pictures.writing import write
from upscaler.pixels import Pixels


class Encoding:
    """Encoding of a result in a thread: a single picture without alpha while it is upscaled, others after it.

    As a context manager, stops the former if the rest of the picture will never come, and waits for its thread, which
    still has the file.
    """

    def __init__(self, file: BinaryIO, format: Format, header: Header, metadata: Metadata, quality: int) -> None:
        """Set the file, open and empty, and what `write` takes beside the frames."""
        self._given = file, format, header, metadata, quality
        self._is_streamed = header.is_streamed_as(format)
        self._rows = Rows()
        self._stream: Background | None = None

    def __enter__(self) -> "Encoding":
        return self

    def __exit__(self, *_: Any) -> None:
        self._rows.abandon()
        with suppress(Exception):  # of an encoder whose picture ends too early
            deque(self._stream or (), maxlen=0)

    def see(self, _: Header, __: Pixels, doubled: Pixels, rows: int) -> None:
        """Encode the first `rows` of `doubled`, if its format allows it; called as a `Watch`.

        Raises what `write` has raised meanwhile.
        """
        self._rows.advance(rows)
        if self._stream:
            self._stream.check()
        elif self._is_streamed:
            self._stream = self._begin([Frame(doubled, rows=self._rows)])

    def finish(self, frames: list[Frame]) -> Iterator[None]:
        """Encode what is left, emptying the list; yield every 0.1 s. Raises what `write` does."""
        yield from self._stream or self._begin(frames)

    def _begin(self, frames: list[Frame]) -> Background:
        file, format, header, metadata, quality = self._given
        return Background(write, file, format, frames, header, metadata, quality)
