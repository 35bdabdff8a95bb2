"""Pages of a TIFF: the directories of its chain, and how each stores its pixels.

Numbers: TIFF 6.0, https://www.itu.int/itudoc/itu-t/com16/tiff-fx/docs/tiff6.pdf
"""

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import IntEnum

from upscaler.errors import PictureError
from upscaler.limits import check_frame_limit
from upscaler.pictures.content import Content
from upscaler.pictures.directories import Directory, Entry, Layout, layout_of, number, read_directory
from upscaler.pictures.header import Page
from upscaler.pictures.orientation import ORIENTATIONS, upright_size

WHITE_IS_ZERO, BLACK_IS_ZERO, RGB, PALETTE, CMYK, YCBCR, LAB = 0, 1, 2, 3, 5, 6, 8  # photometric interpretations
COLOURS = {WHITE_IS_ZERO: 1, BLACK_IS_ZERO: 1, RGB: 3, PALETTE: 1, CMYK: 4, YCBCR: 3, LAB: 3}  # samples of each
BY_PILLOW = {34925: "LZMA", 50000: "Zstandard"}  # compressions that libvips was built without
_REDUCED, _MASK = 1, 4  # bits of Tag.SUBFILE
_ALPHA = (1, 2)  # kinds of extra samples: colours are multiplied by it, or not

_CODES = {1: "B", 3: "H", 4: "I", 13: "I", 16: "Q"}  # of struct, by type of the entry
_MOST_VALUES = 16  # of an entry that describes pixels


class Tag(IntEnum):
    """Tags that describe how a page stores its pixels."""

    SUBFILE = 254
    WIDTH = 256
    HEIGHT = 257
    BITS = 258
    COMPRESSION = 259
    PHOTOMETRIC = 262
    ORIENTATION = 274
    SAMPLES = 277
    TILE_WIDTH = 322
    TILE_HEIGHT = 323
    SUB_DIRECTORIES = 330
    INK_SET = 332
    EXTRA_SAMPLES = 338
    SAMPLE_FORMAT = 339
    SUBSAMPLING = 530
    DNG_VERSION = 50706


@dataclass(frozen=True)
class TiffPage:
    """One directory of a TIFF, `index` in its chain. values: first numbers of each `Tag` that it has."""

    index: int
    layout: Layout
    directory: Directory
    values: Mapping[Tag, tuple[int, ...]]

    def value(self, tag: Tag, otherwise: int) -> int:
        """Return the first number of a tag."""
        return next(iter(self.values.get(tag, ())), otherwise)

    @property
    def size(self) -> tuple[int, int]:
        """Width and height as stored."""
        return self.value(Tag.WIDTH, 0), self.value(Tag.HEIGHT, 0)

    @property
    def tile_size(self) -> tuple[int, int]:
        """Width and height of a tile; 0 if it is stored in strips."""
        return self.value(Tag.TILE_WIDTH, 0), self.value(Tag.TILE_HEIGHT, 0)

    @property
    def orientation(self) -> int:
        """EXIF orientation, 1 to 8."""
        said = self.value(Tag.ORIENTATION, 1)
        return said if said in ORIENTATIONS else 1

    @property
    def bits(self) -> int:
        """Bits of the first sample."""
        return self.value(Tag.BITS, 1)

    @property
    def samples(self) -> int:
        """Samples of a pixel: colours, then others."""
        return self.value(Tag.SAMPLES, 1)

    @property
    def photometric(self) -> int:
        """Photometric interpretation: the kind of colours."""
        return self.value(Tag.PHOTOMETRIC, BLACK_IS_ZERO)

    @property
    def colours(self) -> int:
        """Number of samples that are colours."""
        return COLOURS[self.photometric]

    @property
    def alpha(self) -> int | None:
        """Place of alpha among the samples; a single extra one of which nothing is said counts as alpha."""
        kinds = self.values.get(Tag.EXTRA_SAMPLES, ())
        said = (place for place, kind in enumerate(kinds, start=self.colours) if kind in _ALPHA)
        if (place := next(said, self.samples)) < self.samples:
            return place
        return self.colours if not kinds and self.photometric != CMYK and self.samples == self.colours + 1 else None

    @property
    def has_others(self) -> bool:
        """True if samples are neither colours nor alpha, as infrared of a film scanner."""
        return self.samples > self.colours + (self.alpha is not None)

    @property
    def is_reduced(self) -> bool:
        """True if it is a smaller version of another page."""
        return bool(self.value(Tag.SUBFILE, 0) & _REDUCED)

    @property
    def is_mask(self) -> bool:
        """True if it says only which pixels of another page are transparent."""
        return bool(self.value(Tag.SUBFILE, 0) & _MASK)

    @property
    def needs_pillow(self) -> bool:
        """True if libvips cannot decode it: some compressions, and Lab with 8 bits, where it fails."""
        return self.value(Tag.COMPRESSION, 1) in BY_PILLOW or (self.photometric == LAB and self.bits == 8)

    @property
    def decoded(self) -> Page:
        """The page as it is after decoding."""
        channels = (1 if self.photometric in (WHITE_IS_ZERO, BLACK_IS_ZERO) else 3) + (self.alpha is not None)
        return Page(*upright_size(self.size, self.orientation), channels, max(8, self.bits), self.orientation)

    @property
    def patches(self) -> tuple[tuple[int, bytes], ...]:
        """Places in the file, and bytes that put there make this the first and only page."""
        pointer = self.layout.order + self.layout.pointer
        return (
            (self.layout.first, struct.pack(pointer, self.directory.place)),
            (self.directory.end, bytes(struct.calcsize(pointer))),
        )


def chain(content: Content, name: str, most: int | None) -> Iterator[TiffPage]:
    """Yield the pages of a TIFF. Raises PictureError if one after the first is cut off, or if there are over `most`."""
    layout, seen = layout_of(content), set[int]()
    place = number(content, layout.first, layout.pointer, layout)
    while place and place not in seen:
        page = page_at(content, place, len(seen))
        seen.add(place)
        if not page.directory.is_whole and len(seen) == 1:
            return
        if not page.directory.is_whole:
            raise PictureError(f"{name} is broken (page {len(seen)} is cut off); download or export it again")
        check_frame_limit(len(seen), name, most)
        yield page
        place = number(content, page.directory.end, layout.pointer, layout)


def page_at(content: Content, place: int, index: int) -> TiffPage:
    """Read the directory at a place."""
    layout = layout_of(content)
    directory = read_directory(content, place, layout)
    entries = {entry.tag: entry for entry in reversed(directory.entries)}  # of two with one tag, the first counts
    values = {tag: found for tag in Tag if tag in entries and (found := _numbers(content, entries[tag], layout))}
    return TiffPage(index, layout, directory, values)


def _numbers(content: Content, entry: Entry, layout: Layout) -> tuple[int, ...]:
    """Return the first numbers of an entry; none if they are no natural numbers, or lie outside of the file."""
    if (code := _CODES.get(entry.kind)) is None:
        return ()
    unit = struct.calcsize(code)
    piece = content[entry.values : entry.values + min(entry.amount, _MOST_VALUES) * unit]
    numbers = struct.iter_unpack(layout.order + code, piece[: len(piece) // unit * unit])
    return tuple(value for (value,) in numbers)
