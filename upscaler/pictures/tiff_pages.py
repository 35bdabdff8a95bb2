"""Pages of a TIFF: the directories of its main chain, and how each stores its pixels.

https://www.itu.int/itudoc/itu-t/com16/tiff-fx/docs/tiff6.pdf
"""

import struct
from dataclasses import dataclass
from itertools import islice

from upscaler.errors import LimitError, PictureError
from upscaler.limits import exceeds
from upscaler.pictures.directories import Content, Directory, Entry, Layout, layout_of, number, read_directory
from upscaler.pictures.header import Page
from upscaler.pictures.orientation import ORIENTATIONS, upright_size
from upscaler.pictures.signatures import CAMERA_RAW

SIGNATURES = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_CODES = {1: "B", 3: "H", 4: "I", 13: "I", 16: "Q"}  # of struct, by type of the entry
_MOST_VALUES = 16  # of an entry that describes pixels

_SUBFILE, _WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC, _ORIENTATION = 254, 256, 257, 258, 259, 262, 274
_SAMPLES, _INK_SET, _EXTRA_SAMPLES, _SAMPLE_FORMAT, _SUBSAMPLING, _DNG_VERSION = 277, 332, 338, 339, 530, 50706

WHITE_IS_ZERO, BLACK_IS_ZERO, RGB, PALETTE, CMYK, YCBCR, LAB = 0, 1, 2, 3, 5, 6, 8  # photometric interpretations
_COLOURS = {WHITE_IS_ZERO: 1, BLACK_IS_ZERO: 1, RGB: 3, PALETTE: 1, CMYK: 4, YCBCR: 3, LAB: 3}  # samples of each
_DEPTHS = {WHITE_IS_ZERO: (1, 2, 4, 8, 16), BLACK_IS_ZERO: (1, 2, 4, 8, 16), PALETTE: (1, 2, 4, 8), YCBCR: (8,)}
_MOST_SAMPLES = {PALETTE: 2, YCBCR: 3, LAB: 3}
_SENSOR = (32803, 34892)  # photometric interpretations of camera raws
_REDUCED, _MASK = 1, 4  # bits of NewSubfileType
_ASSOCIATED, _UNASSOCIATED = 1, 2  # kinds of extra samples that are alpha
_JPEG = (6, 7)  # compressions, old and new
_BY_LIBVIPS = {*range(1, 9), 32766, 32771, 32773, 32809, 32909, 32946, 33003, 33005, 34712}
_BY_PILLOW = {34925: "LZMA", 50000: "Zstandard", 50001: "WebP"}  # libvips was built without them
_SIGNED, _FLOAT = 2, 3  # sample formats


@dataclass(frozen=True)
class Storage:
    """How a directory, `number` in its chain, stores a page. width, height: as stored.

    bits: of one sample. samples: for each pixel. extra: kind of each sample beyond the colours, if said. only: places
    in the file and bytes which, put there, make it the only page.
    """

    number: int
    width: int
    height: int
    orientation: int
    photometric: int
    compression: int
    bits: tuple[int, ...]
    samples: int
    extra: tuple[int, ...]
    formats: tuple[int, ...]
    subsampling: tuple[int, ...]
    ink_set: int
    subfile: int
    is_dng: bool
    only: tuple[tuple[int, bytes], ...]

    @property
    def colours(self) -> int:
        """Number of samples that are colours."""
        return _COLOURS[self.photometric]

    @property
    def alpha(self) -> int | None:
        """Place of alpha among the samples: a single extra sample of a kind that is not said counts as alpha."""
        for place, kind in enumerate(self.extra, start=self.colours):
            if kind in (_ASSOCIATED, _UNASSOCIATED) and place < self.samples:
                return place
        unsaid = not self.extra and self.photometric != CMYK and self.samples == self.colours + 1
        return self.colours if unsaid else None

    @property
    def has_others(self) -> bool:
        """True if samples are neither colours nor alpha, as infrared of a film scanner."""
        return self.samples > self.colours + (self.alpha is not None)

    @property
    def is_converted(self) -> bool:
        """True if decoding converts the colours to sRGB, so that a profile no longer applies."""
        return self.photometric in (CMYK, LAB)

    @property
    def needs_pillow(self) -> bool:
        """True if libvips cannot decode it: three compressions, and Lab with 8 bits, where it fails."""
        return self.compression in _BY_PILLOW or (self.photometric == LAB and self.bits[0] == 8)

    @property
    def page(self) -> Page:
        """The page as it is after decoding."""
        channels = 1 if self.photometric in (WHITE_IS_ZERO, BLACK_IS_ZERO) else 3
        size = upright_size((self.width, self.height), self.orientation)
        return Page(*size, channels + (self.alpha is not None), max(8, self.bits[0]), self.orientation)


def read_pages(content: Content, name: str, most: int | None) -> tuple[list[Storage], int]:
    """List the pages of a TIFF, and count those left out: smaller versions and masks of others.

    Raises PictureError for a camera raw, a page that is cut off, or one that cannot be read correctly, and LimitError
    if there are more than `most` pages.
    """
    layout = layout_of(content)
    stored = [_storage(content, directory, n, layout) for n, directory in enumerate(_chain(content, name, most))]
    if stored and (stored[0].is_dng or stored[0].subfile & _REDUCED):
        raise PictureError(f"{name} {CAMERA_RAW}")
    pages = [page for page in stored if page.number == 0 or not page.subfile & (_REDUCED | _MASK)]
    for page in pages:
        if reason := _refusal(page):
            where = f", on page {page.number + 1}," if len(stored) > 1 else ""
            raise PictureError(f"{name}{where} {reason}")
    return pages, len(stored) - len(pages)


def _chain(content: Content, name: str, most: int | None) -> list[Directory]:
    layout, seen, found = layout_of(content), set[int](), list[Directory]()
    place = number(content, layout.first, layout.pointer, layout)
    while place and place not in seen:
        seen.add(place)
        directory = read_directory(content, place, layout)
        if not directory.is_whole:
            raise PictureError(f"{name} is broken (page {len(found) + 1} is cut off); download or export it again")
        found.append(directory)
        if exceeds(len(found), most):
            raise LimitError(f"{name} has more frames or pages than the limit of {most:,}; split it")
        place = number(content, directory.end, layout.pointer, layout)
    return found


def _storage(content: Content, directory: Directory, n: int, layout: Layout) -> Storage:
    entries = {entry.tag: entry for entry in reversed(directory.entries)}

    def values(tag: int) -> tuple[int, ...]:
        return _values(content, entries[tag], layout) if tag in entries else ()

    def value(tag: int, otherwise: int) -> int:
        return next(iter(values(tag)), otherwise)

    orientation, samples = value(_ORIENTATION, 1), value(_SAMPLES, 1)
    return Storage(
        number=n,
        width=value(_WIDTH, 0),
        height=value(_HEIGHT, 0),
        orientation=orientation if orientation in ORIENTATIONS else 1,
        photometric=value(_PHOTOMETRIC, BLACK_IS_ZERO),
        compression=value(_COMPRESSION, 1),
        bits=values(_BITS) or (1,),
        samples=samples,
        extra=values(_EXTRA_SAMPLES),
        formats=values(_SAMPLE_FORMAT) or (1,),
        subsampling=values(_SUBSAMPLING) or (2, 2),
        ink_set=value(_INK_SET, 1),
        subfile=value(_SUBFILE, 0),
        is_dng=_DNG_VERSION in entries,
        only=(
            (layout.first, struct.pack(layout.order + layout.pointer, directory.place)),
            (directory.end, bytes(layout.size(layout.pointer))),
        ),
    )


def _values(content: Content, entry: Entry, layout: Layout) -> tuple[int, ...]:
    """Return the first numbers of an entry; none if they are no natural numbers or lie outside of the file."""
    if (code := _CODES.get(entry.kind)) is None:
        return ()
    unit = struct.calcsize(code)
    piece = content[entry.values : entry.values + min(entry.amount, _MOST_VALUES) * unit]
    pieces = struct.iter_unpack(layout.order + code, piece[: len(piece) // unit * unit])
    return tuple(value for (value,) in islice(pieces, _MOST_VALUES))


def _refusal(page: Storage) -> str:
    """Say why a page cannot be read correctly, and what would help; "" if it can."""
    bits = page.bits[0]
    if not page.width or not page.height:
        return f"has {page.width}x{page.height} pixels; export it again"
    if page.photometric in _SENSOR:
        return CAMERA_RAW
    if page.photometric not in _COLOURS or (page.photometric, page.ink_set) == (CMYK, 2):
        return f"is a TIFF of unsupported colours (photometric interpretation {page.photometric}); save it as RGB"
    if set(page.formats) & {_FLOAT}:
        return (
            f"is a TIFF of {bits}-bit floating-point values, which have no defined white; "
            "save it with 8 or 16 bits per channel"
        )
    if set(page.formats) & {_SIGNED} and page.photometric != LAB:
        return f"is a TIFF of signed {bits}-bit values, which have no defined black; save it with 8 or 16 bits unsigned"
    if len(set(page.bits)) > 1 or bits not in _DEPTHS.get(page.photometric, (8, 16)):
        shown = " and ".join(map(str, sorted(set(page.bits))))
        return f"is a TIFF with {shown} bits per channel; save it with 8 or 16 bits per channel"
    if page.photometric == YCBCR and page.compression not in _JPEG and page.subsampling[:2] == (1, 1):
        return "is a TIFF of YCbCr colours that are not compressed as JPEG; save it as RGB"  # libvips takes it for RGB
    if page.compression not in {*_BY_LIBVIPS, *_BY_PILLOW}:
        return f"is a TIFF of an unsupported compression (number {page.compression}); save it with LZW or Deflate"
    if page.needs_pillow and bits == 16:
        return f"is a TIFF of 16 bits with {_BY_PILLOW[page.compression]} compression; save it with LZW or Deflate"
    if (
        page.samples < page.colours
        or page.samples > _MOST_SAMPLES.get(page.photometric, _MOST_VALUES)
        or (page.colours == 1 and page.samples > 2 and page.alpha is None)
    ):
        return f"is a TIFF of {page.samples} channels that are no known colours; save it as RGB"
    return ""
