"""Reading of TIFFs, page by page: each has its own size, depth, channels, orientation and colour profile.

libvips decodes, and Pillow what libvips cannot, in 8 bits: it opens 16-bit colour as 8 bits.
"""

import logging
import mmap
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

import numpy as np

from upscaler.errors import PictureError, UnknownFormatError
from upscaler.limits import DEFAULT_LIMITS, Limits
from upscaler.pictures.colour import deep_cmyk_in_srgb, lab_in_srgb
from upscaler.pictures.decoding import Source, decoding, name_of
from upscaler.pictures.directories import Content, check_directories
from upscaler.pictures.formats import Sequence
from upscaler.pictures.header import Frame, Header, Page
from upscaler.pictures.metadata import checked_profile, read_tiff_metadata
from upscaler.pictures.opening import open_picture
from upscaler.pictures.orientation import upright
from upscaler.pictures.pillow_reading import decoded
from upscaler.pictures.signatures import LENGTH, unreadable
from upscaler.pictures.tiff_pages import CMYK, LAB, PALETTE, SIGNATURES, Storage, read_pages
from upscaler.pictures.vips import pyvips
from upscaler.pixels import Pixels

_SPACE = slice(16, 20)  # of an ICC profile: the colour space of its pixels

_log = logging.getLogger(__name__)


def is_tiff(source: Source) -> bool:
    """Return True if a file begins as a TIFF does."""
    if isinstance(source, bytes):
        return source.startswith(SIGNATURES)
    with source.open("rb") as file:
        return file.read(len(SIGNATURES[0])) in SIGNATURES


def read_tiff_header(path: Path, limits: Limits = DEFAULT_LIMITS) -> Header:
    """Read the header of a TIFF.

    Raises PictureError if it has more pages than `limits`, or one that cannot be read as it is meant.
    """
    with _stored_pages(path, limits.frames) as (content, pages, left_out):
        metadata = read_tiff_metadata(content, path)
    if left_out:
        _log.warning("%s: left out %d pages that are smaller versions or masks of others", path, left_out)
    return Header(
        path=path,
        format="TIFF",
        pages=tuple(stored.page for stored in pages),
        sequence=Sequence.SINGLE if len(pages) == 1 else Sequence.PAGES,
        loops=None,
        still_first=False,
        jpeg=False,
        metadata=replace(metadata, profile=b"") if pages[0].is_converted else metadata,
    )


def tiff_frames(header: Header) -> Iterator[Frame]:
    """Decode the pages of a TIFF one by one. Raises PictureError at the first broken one."""
    with _stored_pages(header.path, None) as (_, pages, _):
        pass
    if tuple(stored.page for stored in pages) != header.pages:  # the memory estimate and the price hang on them
        raise PictureError(f"{header.path} was changed while it was read; try again")
    if any(stored.has_others for stored in pages):
        _log.warning("%s: dropped channels that are neither colour nor alpha, such as infrared", header.path)
    for stored in pages:
        with decoding(header.path):
            frame = _frame(header.path, stored)
        yield frame
        del frame  # before the next page is decoded


def first_page(source: Source, limits: Limits = DEFAULT_LIMITS) -> tuple[Page, Iterator[Frame]]:
    """Return the first page of a TIFF, and an iterator that decodes it."""
    with _stored_pages(source, limits.frames) as (_, pages, _):
        return pages[0].page, (_frame(source, stored) for stored in pages[:1])


@contextmanager
def _stored_pages(source: Source, most: int | None) -> Iterator[tuple[Content, list[Storage], int]]:
    """Open a TIFF; yield its content, how its pages are stored, and how many were left out."""
    with decoding(source), _opened(source) as content:
        check_directories(content, name_of(source))
        pages, left_out = read_pages(content, name_of(source), most)
        if not pages:
            raise UnknownFormatError(f"{name_of(source)} {unreadable(content[:LENGTH])}")
        yield content, pages, left_out


@contextmanager
def _opened(source: Source) -> Iterator[Content]:
    if isinstance(source, bytes):
        yield source
        return
    with source.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        yield content


def _frame(source: Source, stored: Storage) -> Frame:
    """Decode a page. Raises PictureError if it is not what its directory declares."""
    pixels, profile = _by_pillow(source, stored) if stored.needs_pillow else _by_libvips(source, stored)
    height, width, channels = pixels.shape
    page = Page(width, height, channels, 8 * pixels.itemsize, stored.orientation)
    if page != stored.page:
        number = stored.number + 1
        raise PictureError(f"{name_of(source)} is broken (page {number} is not as it declares); export it again")
    usable = not stored.is_converted and _is_for(profile, channels)
    return Frame(pixels, profile=profile if usable else b"")


def _is_for(profile: bytes, channels: int) -> bool:
    """Return True if a colour profile is sound, and of the kind of these pixels."""
    try:
        return bool(checked_profile(profile)) and profile[_SPACE] == (b"GRAY" if channels < 3 else b"RGB ")
    except Exception:
        return False


def _by_libvips(source: Source, stored: Storage) -> tuple[Pixels, bytes]:
    """Return a page, upright, and its colour profile."""
    with BytesIO(source) if isinstance(source, bytes) else source.open("rb") as file:
        view = _OnlyPage(file, stored)
        image = pyvips.Image.tiffload_source(view, access="sequential", fail_on="error")
        if (image.width, image.height) != (stored.width, stored.height):
            raise ValueError("two sizes are declared")
        pixels: Pixels = _in_colour(image, stored, name_of(source)).numpy()
    profile = image.get("icc-profile-data") if image.get_typeof("icc-profile-data") else b""
    return upright(pixels.reshape(image.height, image.width, -1), stored.orientation), profile


class _OnlyPage(pyvips.SourceCustom):  # type: ignore[misc]
    """A file with one page of a TIFF's; libvips would go through all pages whenever it opens one of them."""

    def __init__(self, file: BinaryIO, stored: Storage) -> None:
        super().__init__()
        self._file, self._patches = file, stored.only
        self.on_read(self._read)
        self.on_seek(file.seek)

    def _read(self, size: int) -> bytearray:
        start = self._file.tell()
        piece = bytearray(self._file.read(size))
        for place, content in self._patches:
            first, last = max(place, start), min(place + len(content), start + len(piece))
            if first < last:
                piece[first - start : last - start] = content[first - place : last - place]
        return piece


def _in_colour(image: pyvips.Image, stored: Storage, name: str) -> pyvips.Image:
    """Return gray or RGB, with alpha if there is some, of what libvips reads."""
    if stored.photometric == PALETTE:
        return image if image.bands > 2 else image.extract_band(0).bandjoin([image.extract_band(0), *image.bandsplit()])
    colours = image.extract_band(0, n=stored.colours)
    if stored.photometric == CMYK:
        colours = deep_cmyk_in_srgb(colours, name)
    elif stored.photometric == LAB:
        colours = lab_in_srgb(colours, stored.page.depth)
    return colours if stored.alpha is None else colours.bandjoin(image.extract_band(stored.alpha))


def _by_pillow(source: Source, stored: Storage) -> tuple[Pixels, bytes]:
    """Return a page, upright, which Pillow turns, and its colour profile."""
    file = BytesIO(source) if isinstance(source, bytes) else source
    with open_picture(file) as image:
        image.seek(stored.number)
        profile = image.info.get("icc_profile") or b""
        if stored.photometric != LAB:
            return decoded(image, name_of(source)), profile
        pixels: Pixels = lab_in_srgb(_lab(np.asarray(image)), 8).numpy()
        return pixels, profile


def _lab(pixels: Pixels) -> pyvips.Image:
    """Return L from 0 to 100, a and b, of what Pillow reads: L from 0 to 255, a and b with their sign."""
    unsigned = pixels ^ np.array([0, 128, 128], np.uint8)
    return pyvips.Image.new_from_array(unsigned).linear([100 / 255, 1, 1], [0, -128, -128]).copy(interpretation="lab")
