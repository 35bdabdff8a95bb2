"""Reading of picture files: first the header, so that pictures over the limits are refused undecoded, then frames."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image
from PIL.TiffImagePlugin import TiffImageFile

from upscaler.errors import LimitError, PictureError
from upscaler.limits import DEFAULT_LIMITS, Limits, exceeds
from upscaler.pictures import lossy
from upscaler.pictures.avif import read_avif
from upscaler.pictures.colour import in_srgb
from upscaler.pictures.decoding import Source, decoding, name_of
from upscaler.pictures.depth import decoded_bits, stored_bits
from upscaler.pictures.formats import Sequence
from upscaler.pictures.header import Frame, Header
from upscaler.pictures.metadata import Metadata, orientation, read_metadata
from upscaler.pictures.opening import open_picture
from upscaler.pictures.orientation import upright
from upscaler.pictures.pillow_reading import pages_of, plain_frames, remaining_orientation
from upscaler.pictures.signatures import CAMERA_RAW
from upscaler.pictures.timing import plays_of
from upscaler.pictures.vips_reading import deep_frames, is_deep
from upscaler.pixels import Pixels, to_8_bits

_UNSUPPORTED_MODES = ("F", "I", "LAB")
_SUBFILE, _DNG_VERSION = 254, 50706  # tags of a TIFF
_REDUCED = 1  # of its first page: a smaller version of another one


def read_header(path: Path, limits: Limits = DEFAULT_LIMITS) -> Header:
    """Read the header without decoding pixels.

    Raises PictureError if `path` is not a readable picture, or has more frames or scans than `limits`.
    """
    with _opened(path, limits) as image:
        _check_kind(image, str(path))
        bits = stored_bits(image, path)
        pages = pages_of(image, path, orientation(image), decoded_bits(image, bits), limits.frames)
        return Header(
            path=path,
            format=image.format or "",
            pages=pages,
            sequence=_sequence(image, len(pages)),
            plays=plays_of(image),
            still_first=bool(image.info.get("default_image")),
            jpeg=lossy.is_lossy(image, path),
            lossless=lossy.is_lossless(image, path),
            bits=bits,
            metadata=_metadata(image, path),
        )


def read_frames(header: Header) -> Iterator[Frame]:
    """Decode the frames one by one. Raises PictureError at the first broken one."""
    if header.format == "PNG":
        with _opened(header.path) as image:
            image.verify()  # decoding ignores the checksums of the pixel data
    if header.pages[0].depth == 16:
        yield from _read_deep_avif(header) if header.format == "AVIF" else _read_deep(header)
        return
    with _opened(header.path) as image:
        yield from plain_frames(image, header)


def read_rgb8(source: Source, limits: Limits = DEFAULT_LIMITS) -> Pixels:
    """Read the first frame of a file for display: upright, HW3 uint8 in sRGB, without transparency.

    Raises LimitError if it has more pixels, scans or frames than `limits`, UnknownFormatError if it is not a picture,
    and PictureError if it is broken.
    """
    with _opened(source, limits) as image:
        _check_kind(image, name_of(source))
        _check_pixels(image, name_of(source), limits)
        profile, format, stored = image.info.get("icc_profile"), image.format or "", orientation(image)
        if _is_deep(image, source):
            profile = None if image.mode == "CMYK" else profile  # already converted to sRGB
            pixels = to_8_bits(next(deep_frames(source, format, 1)))
            plain = Image.fromarray(pixels if pixels.shape[2] > 1 else pixels[:, :, 0])
        else:
            plain, stored = image, remaining_orientation(format, stored)
        return upright(np.asarray(in_srgb(plain, profile)), stored)


def _read_deep(header: Header) -> Iterator[Frame]:
    with decoding(header.path):
        if len({(page.width, page.height) for page in header.pages}) > 1:
            raise PictureError(f"{header.path} has 16-bit pages of different sizes; split the file")
        for pixels in deep_frames(header.path, header.format, header.frames):
            yield Frame(upright(pixels, header.orientation))


def _read_deep_avif(header: Header) -> Iterator[Frame]:
    with decoding(header.path):
        pixels = read_avif(header.path)
        yield Frame(pixels[:, :, [0, -1][: header.pages[0].channels]] if header.pages[0].channels < 3 else pixels)


@contextmanager
def _opened(source: Source, limits: Limits = DEFAULT_LIMITS) -> Iterator[Image.Image]:
    file = BytesIO(source) if isinstance(source, bytes) else source
    with decoding(source), open_picture(file, limits) as image:
        yield image


def _check_kind(image: Image.Image, name: str) -> None:
    """Raise PictureError for pixels that cannot be read, and for camera raws, whose first picture is a preview."""
    if isinstance(image, TiffImageFile) and (_DNG_VERSION in image.tag_v2 or image.tag_v2.get(_SUBFILE, 0) & _REDUCED):
        raise PictureError(f"{name} {CAMERA_RAW}")
    if image.mode in _UNSUPPORTED_MODES:
        raise PictureError(
            f"{name} has the unsupported pixel format {image.mode}; save it with 8 or 16 bits per channel"
        )


def _check_pixels(image: Image.Image, name: str, limits: Limits) -> None:
    if exceeds(image.width * image.height, limits.pixels):
        raise LimitError(
            f"{name} has {image.width}x{image.height} pixels, more than the limit of {limits.pixels:,} pixels; "
            "make it smaller"
        )


def _is_deep(image: Image.Image, source: Source) -> bool:
    """Return True if a picture has 16 bits per channel; libvips reads only the first picture of an APNG."""
    if image.format == "TIFF" or (image.format == "PNG" and getattr(image, "n_frames", 1) == 1):
        return is_deep(source, image.format)
    return False


def _sequence(image: Image.Image, frames: int) -> Sequence:
    if frames == 1:
        return Sequence.SINGLE
    return Sequence.PAGES if image.format == "TIFF" else Sequence.ANIMATION


def _metadata(image: Image.Image, path: Path) -> Metadata:
    metadata = read_metadata(image, path)
    return replace(metadata, profile=b"") if image.mode == "CMYK" else metadata  # decoding converts it to sRGB
