"""Reading of picture files: first the header, so that pictures over the limits are refused undecoded, then frames."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image

from upscaler.errors import PictureError
from upscaler.limits import DEFAULT_LIMITS, UNLIMITED, Limits
from upscaler.pictures import lossy
from upscaler.pictures.animation_reading import composed_frames, is_composed
from upscaler.pictures.avif import cropped_size, read_avif
from upscaler.pictures.colour import in_srgb
from upscaler.pictures.content import check_size, content_of
from upscaler.pictures.decoding import Source, decoding, name_of
from upscaler.pictures.depth import decoded_bits, stored_bits
from upscaler.pictures.formats import TIFF, Sequence
from upscaler.pictures.gif_file import lacks_end
from upscaler.pictures.header import Frame, Header
from upscaler.pictures.metadata import orientation, read_metadata, shown_colour
from upscaler.pictures.opening import open_picture
from upscaler.pictures.orientation import upright
from upscaler.pictures.pillow_reading import check_frame_size, in_8_bits, pages_of, plain_frames
from upscaler.pictures.tiff_reading import first_tiff_page, is_tiff, read_tiff_header, tiff_frames
from upscaler.pictures.timing import plays_of
from upscaler.pictures.vips_reading import deep_pixels, is_deep
from upscaler.pixels import Pixels, to_8_bits

_log = logging.getLogger(__name__)


def read_format(path: Path, limits: Limits = DEFAULT_LIMITS) -> str:
    """Return the name of a file's format, of which no more is checked. Raises PictureError if it is no picture."""
    if is_tiff(path):
        return TIFF.name
    with _opened(path, limits) as image:
        return image.format or ""


def read_header(path: Path, limits: Limits = DEFAULT_LIMITS) -> Header:
    """Read the header without decoding pixels.

    Raises PictureError if `path` is not a readable picture, or has more frames or scans than `limits`.
    """
    if is_tiff(path):
        return read_tiff_header(path, limits)
    with _opened(path, limits) as image:
        if image.format == "GIF":
            _warn_if_cut(path)
        bits = stored_bits(image, path)
        pages = pages_of(image, path, orientation(image), decoded_bits(image, bits), limits.frames)
        if size := _cropped_size(image, path):
            check_size(image.size, str(path), limits)
            pages = (replace(pages[0], width=size[0], height=size[1]),)
        return Header(
            path=path,
            format=image.format or "",
            pages=pages,
            sequence=_sequence(len(pages)),
            plays=plays_of(image),
            still_first=bool(image.info.get("default_image")),
            jpeg=lossy.is_lossy(image, path),
            lossless=lossy.is_lossless(image, path),
            bits=bits,
            metadata=read_metadata(image, path),
        )


def _warn_if_cut(gif: Path) -> None:
    with gif.open("rb") as file:
        if lacks_end(content_of(file)):
            _log.warning("%s: its end is missing, and perhaps frames; download or export it again", gif)


def read_frames(header: Header) -> Iterator[Frame]:
    """Decode the frames one by one. Raises PictureError at the first broken one."""
    if header.format == TIFF.name:
        yield from tiff_frames(header)
        return
    if header.format == "PNG":
        with _opened(header.path, UNLIMITED) as image:
            image.verify()  # decoding ignores the checksums of the pixel data
    if header.pages[0].depth == 16:
        yield from _read_avif(header) if header.format == "AVIF" else _read_deep(header)
        return
    if is_composed(header):
        with decoding(header.path):
            yield from composed_frames(header)
        return
    with _opened(header.path, UNLIMITED) as image:
        yield from _read_avif(header) if _cropped_size(image, header.path) else plain_frames(image, header)


def read_rgb8(source: Source, limits: Limits = DEFAULT_LIMITS) -> Pixels:
    """Read the first frame of a file for display: upright, HW3 uint8 in sRGB, without transparency.

    Raises LimitError if it has more pixels, scans or frames than `limits`, UnknownFormatError if it is not a picture,
    and PictureError if it is broken or HDR.
    """
    if is_tiff(source):
        return _tiff_in_srgb(source, limits)
    with _opened(source, limits) as image:
        check_size(image.size, name_of(source), limits)
        stored, colour = orientation(image), shown_colour(image, source)
        if colour.hdr:
            raise PictureError(f"{name_of(source)} is an HDR picture ({colour.hdr}); convert it to SDR to show it")
        if _cropped_size(image, source):
            plain, stored = _plain(read_avif(source)), 1
        else:
            plain = _plain(deep_pixels(source)) if _is_deep(image, source) else in_8_bits(image)
        return upright(np.asarray(in_srgb(plain, colour.profile)), stored)


def _read_deep(header: Header) -> Iterator[Frame]:
    with decoding(header.path):
        yield _checked(upright(deep_pixels(header.path), header.orientation), header)


def _read_avif(header: Header) -> Iterator[Frame]:
    with decoding(header.path):
        pixels, channels = read_avif(header.path), header.pages[0].channels
        yield _checked(pixels[:, :, [0, -1][:channels]] if channels < 3 else pixels, header)


def _checked(pixels: Pixels, header: Header) -> Frame:
    check_frame_size((pixels.shape[1], pixels.shape[0]), header.pages[0], str(header.path))
    return Frame(pixels)


def _cropped_size(image: Image.Image, source: Source) -> tuple[int, int] | None:
    return cropped_size(image, source) if image.format == "AVIF" else None


@contextmanager
def _opened(source: Source, limits: Limits) -> Iterator[Image.Image]:
    file = BytesIO(source) if isinstance(source, bytes) else source
    with decoding(source), open_picture(file, limits) as image:
        yield image


def _tiff_in_srgb(source: Source, limits: Limits) -> Pixels:
    page, decode = first_tiff_page(source, limits)
    check_size((page.width, page.height), name_of(source), limits)
    frame = decode()
    return np.asarray(in_srgb(_plain(frame.pixels), frame.profile))


def _plain(pixels: Pixels) -> Image.Image:
    """Return a picture of Pillow with 8 bits."""
    pixels = to_8_bits(pixels)
    return Image.fromarray(pixels if pixels.shape[2] > 1 else pixels[:, :, 0])


def _is_deep(image: Image.Image, source: Source) -> bool:
    """Return True if a picture has 16 bits per channel; libvips reads only the first picture of an APNG."""
    return image.format == "PNG" and getattr(image, "n_frames", 1) == 1 and is_deep(source)


def _sequence(frames: int) -> Sequence:
    return Sequence.SINGLE if frames == 1 else Sequence.ANIMATION
