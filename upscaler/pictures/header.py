"""Facts about a picture file that are known before decoding, and its frames after it."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from upscaler.pictures.formats import Format, Sequence
from upscaler.pictures.metadata import Metadata
from upscaler.pictures.rows import Rows
from upscaler.pixels import Pixels


@dataclass(frozen=True)
class Page:
    """One page or frame of a file, as it is after decoding: width and height upright, channels 1 to 4, bits a channel.

    orientation: the EXIF orientation, 1 to 8, by which the stored pixels are turned.
    """

    width: int
    height: int
    channels: int
    depth: int = 8
    orientation: int = 1

    @property
    def pixels(self) -> int:
        """Number of pixels."""
        return self.width * self.height


@dataclass(frozen=True)
class Header:
    """Properties of a picture file, known before decoding.

    pages: of a document, or the frames of an animation, one at least. plays: how often an animation is shown (0:
    endlessly). still_first: True if an APNG's first picture is not part of its animation. jpeg: True if the picture was
    compressed with losses. lossless: True if a WebP, AVIF or JPEG 2000 was compressed without. bits: bits per channel
    in the file.
    """

    path: Path
    format: str
    pages: tuple[Page, ...]
    sequence: Sequence
    plays: int
    still_first: bool
    jpeg: bool
    lossless: bool
    bits: int
    metadata: Metadata

    @property
    def width(self) -> int:
        """Width of the first frame, upright."""
        return self.pages[0].width

    @property
    def height(self) -> int:
        """Height of the first frame, upright."""
        return self.pages[0].height

    @property
    def orientation(self) -> int:
        """EXIF orientation of the first frame."""
        return self.pages[0].orientation

    @property
    def frames(self) -> int:
        """Number of frames or pages."""
        return len(self.pages)

    @property
    def kinds(self) -> Mapping[Page, int]:
        """Number of frames of each kind: of a long animation, all are one."""
        return Counter(self.pages)

    @property
    def pixels(self) -> int:
        """Number of pixels of all frames together."""
        return sum(page.pixels for page in self.pages)

    def is_streamed_as(self, format: Format) -> bool:
        """Return True if the result is encoded while it is upscaled: one picture, of which no alpha comes later."""
        return format.streamed and self.frames == 1 and self.pages[0].channels in (1, 3)

    @property
    def counted(self) -> str:
        """Suffix for the size in messages: " in 12 frames", " in 3 pages", or "" for a single picture."""
        if self.sequence is Sequence.SINGLE:
            return ""
        return f" in {self.frames} {'pages' if self.sequence is Sequence.PAGES else 'frames'}"


@dataclass(frozen=True)
class Frame:
    """One frame of a file.

    pixels: upright, HWC with 1 to 4 channels. milliseconds: display time in an animation. profile: colour profile of
    a page of a document. rows: those of `pixels` that are done, while another thread computes them.
    """

    pixels: Pixels
    milliseconds: float = 0.0
    profile: bytes = b""
    rows: Rows | None = None
