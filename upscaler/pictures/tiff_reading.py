"""Reading of TIFFs, page by page: each has its own size, depth, channels, orientation and colour profile.

libvips decodes, and Pillow what libvips cannot, in 8 bits: it opens 16-bit colour as 8 bits.
"""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import numpy as np

from upscaler.errors import PictureError, UnknownFormatError
from upscaler.limits import DEFAULT_LIMITS, Limits
from upscaler.pictures import tiff_exif
from upscaler.pictures.colour import deep_cmyk_in_srgb, lab_in_srgb
from upscaler.pictures.content import Content, content_of
from upscaler.pictures.decoding import Source, decoding, file_of, name_of
from upscaler.pictures.directories import check_directories
from upscaler.pictures.formats import Sequence
from upscaler.pictures.header import Frame, Header, Page
from upscaler.pictures.metadata import unless_broken
from upscaler.pictures.opening import open_picture
from upscaler.pictures.orientation import upright
from upscaler.pictures.pillow_reading import decoded
from upscaler.pictures.signatures import LENGTH, unreadable
from upscaler.pictures.tiff_kinds import read_pages
from upscaler.pictures.tiff_metadata import colour_of, read_tiff_metadata
from upscaler.pictures.tiff_pages import CMYK, LAB, PALETTE, TiffPage
from upscaler.pictures.vips import pyvips
from upscaler.pixels import Pixels

_SIGNATURES = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")  # + of a BigTIFF

_log = logging.getLogger(__name__)


def is_tiff(source: Source) -> bool:
    """Return True if a file begins as a TIFF does."""
    with file_of(source) as file:
        return file.read(len(_SIGNATURES[0])) in _SIGNATURES


def read_tiff_header(path: Path, limits: Limits = DEFAULT_LIMITS) -> Header:
    """Read the header of a TIFF.

    Raises PictureError if it has more pages than `limits`, or one that cannot be read as it is meant.
    """
    with _opened(path, limits.frames) as (content, pages, left_out):
        metadata = read_tiff_metadata(content, path, pages)
    if left_out:
        _log.warning("%s: left out %d pages that are smaller versions or masks of others", path, left_out)
    if any(page.has_others for page in pages):
        _log.warning("%s: dropped channels that are neither colour nor alpha, such as infrared", path)
    return Header(
        path=path,
        format="TIFF",
        pages=tuple(page.decoded for page in pages),
        sequence=Sequence.SINGLE if len(pages) == 1 else Sequence.PAGES,
        plays=0,
        still_first=False,
        jpeg=False,
        lossless=False,
        bits=max(page.decoded.depth for page in pages),
        metadata=metadata,
    )


def tiff_frames(header: Header) -> Iterator[Frame]:
    """Decode the pages of a TIFF one by one. Raises PictureError at the first broken one."""
    with _opened(header.path, None) as (_, pages, _):
        if tuple(page.decoded for page in pages) != header.pages:  # the memory estimate and the price hang on them
            raise PictureError(f"{header.path} was changed while it was read; try again")
    for page in pages:
        yield _frame(header.path, page, b"")


def first_tiff_page(source: Source, limits: Limits = DEFAULT_LIMITS) -> tuple[Page, Callable[[], Frame]]:
    """Return the first page of a TIFF, and the function that decodes it."""
    with _opened(source, limits.frames) as (content, pages, _):
        exif, _ = unless_broken(name_of(source), "EXIF", lambda: tiff_exif.collected(content), (b"", list[str]()))
    return pages[0].decoded, lambda: _frame(source, pages[0], exif)


@contextmanager
def _opened(source: Source, most: int | None) -> Iterator[tuple[Content, list[TiffPage], int]]:
    """Yield the content of a TIFF, its pages, and the number of those left out."""
    with decoding(source), file_of(source) as file:
        content, name = content_of(file), name_of(source)
        check_directories(content, name)
        pages, left_out = read_pages(content, name, most)
        if not pages:
            raise UnknownFormatError(f"{name} {unreadable(content[:LENGTH])}")
        yield content, pages, left_out


def _frame(source: Source, page: TiffPage, exif: bytes) -> Frame:
    """Decode a page. exif: of the file, for its colour."""
    with decoding(source), file_of(source) as file:
        profile = colour_of(content_of(file), page, exif).profile
        pixels = _by_pillow(file, page) if page.needs_pillow else _by_libvips(file, page)
    height, width, channels = pixels.shape
    if Page(width, height, channels, 8 * pixels.itemsize, page.orientation) != page.decoded:
        raise PictureError(
            f"{name_of(source)} is broken (page {page.index + 1} is not as it declares); export it again"
        )
    return Frame(pixels, profile=profile)


def _by_libvips(file: BinaryIO, page: TiffPage) -> Pixels:
    view = _OnlyPage(file, page)
    image = pyvips.Image.tiffload_source(view, access="sequential", fail_on="error")
    _check_size((image.width, image.height), page)
    pixels: Pixels = _in_colour(image, page).numpy()
    return upright(pixels.reshape(image.height, image.width, -1), page.orientation)


class _OnlyPage(pyvips.SourceCustom):  # type: ignore[misc]
    """A TIFF that seems to have one page: to open one, libvips goes through all that come before and after."""

    def __init__(self, file: BinaryIO, page: TiffPage) -> None:
        super().__init__()
        self._file, self._patches = file, page.patches
        self.on_read(self._read)
        self.on_seek(self._seek)

    def _read(self, size: int) -> bytearray:
        start = self._file.tell()
        try:
            piece = bytearray(self._file.read(size))
        except OSError:  # libvips takes it for the end, and the file for broken
            return bytearray()
        for place, content in self._patches:
            first, last = max(place, start), min(place + len(content), start + len(piece))
            if first < last:
                piece[first - start : last - start] = content[first - place : last - place]
        return piece

    def _seek(self, offset: int, whence: int) -> int:
        try:
            return self._file.seek(offset, whence)
        except (OSError, ValueError):  # before the beginning, as a broken file may ask for
            return -1


def _in_colour(image: pyvips.Image, page: TiffPage) -> pyvips.Image:
    """Return gray or RGB, with alpha if there is some, of what libvips reads."""
    if page.photometric == PALETTE:  # of one band if all of its colours are gray
        return image if image.bands > 2 else image.extract_band(0).bandjoin([image.extract_band(0), *image.bandsplit()])
    colours = image.extract_band(0, n=page.colours)
    if page.photometric == CMYK:
        colours = deep_cmyk_in_srgb(colours)
    elif page.photometric == LAB:
        colours = lab_in_srgb(colours, page.decoded.depth)
    return colours if page.alpha is None else colours.bandjoin(image.extract_band(page.alpha))


def _by_pillow(file: BinaryIO, page: TiffPage) -> Pixels:
    file.seek(0)
    with open_picture(file) as image:
        image.seek(page.index)
        _check_size(image.size, page)
        return _lab_in_srgb(np.asarray(image)) if page.photometric == LAB else decoded(image)  # upright


def _check_size(size: tuple[int, int], page: TiffPage) -> None:
    """Raise ValueError if a decoder finds another size than the one on which the memory estimate hangs."""
    if sorted(size) != sorted(page.size):
        raise ValueError(f"page {page.index + 1} has two sizes")


def _lab_in_srgb(pixels: Pixels) -> Pixels:
    """Convert what Pillow reads, 8 bits for L from 0 to 100, and for a and b with their sign."""
    unsigned = pyvips.Image.new_from_array(pixels ^ np.array([0, 128, 128], np.uint8))
    lab = unsigned.linear([100 / 255, 1, 1], [0, -128, -128]).copy(interpretation="lab")
    converted: Pixels = lab_in_srgb(lab, 8).numpy()
    return converted
