"""Reading of picture files: first the header, so that pictures over the limits are refused undecoded, then frames."""

import logging
import struct
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from io import BytesIO
from itertools import count
from pathlib import Path

import numpy as np
from PIL import Image, ImageCms, ImageSequence, UnidentifiedImageError
from PIL.TiffImagePlugin import TiffImageFile

from upscaler.errors import LimitError, PictureError, UnknownFormatError
from upscaler.limits import DEFAULT_LIMITS, Limits, exceeds
from upscaler.pictures import lossy
from upscaler.pictures.exif import ORIENTATIONS
from upscaler.pictures.formats import Sequence
from upscaler.pictures.metadata import Metadata, orientation, read_metadata
from upscaler.pictures.opening import open_picture
from upscaler.pictures.signatures import CAMERA_RAW, LENGTH, unreadable
from upscaler.pictures.vips import pyvips
from upscaler.pixels import Pixels, to_8_bits

_LAYERS = ("MPO", "HEIF")  # formats whose further pictures are previews or depth maps
_UNSUPPORTED_MODES = ("F", "I", "LAB")
_SUBFILE, _DNG_VERSION = 254, 50706  # tags of a TIFF
_REDUCED = 1  # of its first page: a smaller version of another one
_STRIP = 256  # rows read from libvips at a time
# Exceptions from Pillow's decoders on broken files, found by fuzzing single bytes of small pictures
_BROKEN = (
    *(OSError, SyntaxError, ValueError, EOFError, LookupError, TypeError, RuntimeError, struct.error, zlib.error),
    pyvips.Error,
)

_SRGB = ImageCms.createProfile("sRGB")
_MODES_OF_PROFILES = ("L", "RGB", "CMYK")

Source = Path | bytes  # a file, or its content

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Header:
    """Properties of a picture file, known before decoding.

    width, height: size of the first frame, upright. sizes: number of frames of each (width, height), as stored.
    channels: channels of the decoded pixels. depth: bits per channel. loops: repetitions of an animation (0: endless,
    None: unspecified). still_first: True if an APNG's first picture is not part of its animation. jpeg: True if the
    picture was compressed with losses.
    """

    path: Path
    format: str
    width: int
    height: int
    sizes: Mapping[tuple[int, int], int]
    channels: int
    depth: int
    sequence: Sequence
    orientation: int
    loops: int | None
    still_first: bool
    jpeg: bool
    metadata: Metadata

    @property
    def frames(self) -> int:
        """Number of frames or pages."""
        return sum(self.sizes.values())

    @property
    def pixels(self) -> int:
        """Number of pixels of all frames together."""
        return sum(frames * width * height for (width, height), frames in self.sizes.items())

    @property
    def counted(self) -> str:
        """Suffix for the size in messages: " in 12 frames", " in 3 pages", or "" for a single picture."""
        if self.sequence is Sequence.SINGLE:
            return ""
        return f" in {self.frames} {'pages' if self.sequence is Sequence.PAGES else 'frames'}"


@dataclass(frozen=True)
class Frame:
    """One frame of a file. pixels: upright, HWC with 1 to 4 channels. milliseconds: display time in an animation."""

    pixels: Pixels
    milliseconds: float = 0.0


def read_header(path: Path, limits: Limits = DEFAULT_LIMITS) -> Header:
    """Read the header without decoding pixels.

    Raises PictureError if `path` is not a readable picture, or has more frames or scans than `limits`.
    """
    with _opened(path, limits) as image:
        _check_kind(image, str(path))
        stored = orientation(image)
        transposed = ORIENTATIONS[_remaining_orientation(image.format, stored)][0]
        width, height = image.size[::-1] if transposed else image.size
        sizes = _frame_sizes(image, path, limits.frames)
        frames = sum(sizes.values())
        return Header(
            path=path,
            format=image.format or "",
            width=width,
            height=height,
            sizes=sizes,
            channels=_channels(image),
            depth=16 if _is_deep(image, path, frames) else 8,
            sequence=_sequence(image, frames),
            orientation=stored,
            loops=image.info.get("loop"),
            still_first=bool(image.info.get("default_image")),
            jpeg=lossy.is_lossy(image, path),
            metadata=_metadata(image, path),
        )


def read_frames(header: Header) -> Iterator[Frame]:
    """Decode the frames one by one. Raises PictureError at the first broken one."""
    if header.format == "PNG":
        with _opened(header.path) as image:
            image.verify()  # decoding ignores the checksums of the pixel data
    read = _read_deep if header.depth == 16 else _read_plain
    yield from read(header)


def read_rgb8(source: Source, limits: Limits = DEFAULT_LIMITS) -> Pixels:
    """Read the first frame of a file for display: upright, HW3 uint8 in sRGB, without transparency.

    Raises LimitError if it has more pixels, scans or frames than `limits`, UnknownFormatError if it is not a picture,
    and PictureError if it is broken.
    """
    with _opened(source, limits) as image:
        name = _name(source)
        _check_kind(image, name)
        if exceeds(image.width * image.height, limits.pixels):
            raise LimitError(
                f"{name} has {image.width}x{image.height} pixels, more than the limit of {limits.pixels:,} pixels; "
                "make it smaller"
            )
        profile, format, stored = image.info.get("icc_profile"), image.format or "", orientation(image)
        if _is_deep(image, source, getattr(image, "n_frames", 1)):
            profile = None if image.mode == "CMYK" else profile  # already converted to sRGB
            pixels = to_8_bits(next(_deep_frames(source, format, 1)))
            plain = Image.fromarray(pixels if pixels.shape[2] > 1 else pixels[:, :, 0])
        else:
            plain, stored = image, _remaining_orientation(format, stored)
        return _upright(np.asarray(_rgb(plain, profile)), stored)


def _rgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    """Convert an 8-bit picture to sRGB; ignore a profile that is broken or of another colour space than the pixels."""
    if profile and image.mode not in _MODES_OF_PROFILES:
        image = image.convert("L" if image.mode in ("1", "LA", "La") else "RGB")
    return _by_profile(image, profile) or image.convert("RGB")


def _read_plain(header: Header) -> Iterator[Frame]:
    read = 0
    with _opened(header.path) as image:
        for n, frame in zip(range(header.frames), ImageSequence.Iterator(image), strict=False):
            if frame.size not in header.sizes:  # the memory estimate and the price are based on those
                raise PictureError(
                    f"{header.path}: frame {n + 1} has another size than the header declares; export it again"
                )
            pixels = _upright(_decoded(frame, header.path), _remaining_orientation(header.format, header.orientation))
            read += 1
            yield Frame(pixels, float(frame.info.get("duration", 0)))
    if read < header.frames:
        raise PictureError(f"{header.path} has only {read} of {header.frames} declared frames; download it again")


def _read_deep(header: Header) -> Iterator[Frame]:
    with _plain_errors(header.path):
        if len(header.sizes) > 1:
            raise PictureError(f"{header.path} has 16-bit pages of different sizes; split the file")
        for pixels in _deep_frames(header.path, header.format, header.frames):
            yield Frame(_upright(pixels, header.orientation))


def _deep_frames(source: Source, format: str, frames: int) -> Iterator[Pixels]:
    """Decode the first frames of a file as stored, before orientation: HWC uint16."""
    image = _vips_image(source, format, frames)
    if image.interpretation == "cmyk":
        _log.warning("%s: converted its CMYK colours to sRGB", _name(source))
        image = image.icc_transform("srgb", embedded=True, depth=16, intent="perceptual")
    region, height = pyvips.Region.new(image), image.height // frames
    for n in range(frames):  # one region reads all pages in one pass; opening each page would rescan the file
        pixels = np.empty((height, image.width, image.bands), np.uint16)
        for top in range(0, height, _STRIP):
            strip = pixels[top : top + _STRIP]
            rows = region.fetch(0, n * height + top, image.width, len(strip))
            strip[:] = np.frombuffer(rows, np.uint16).reshape(strip.shape)
        yield pixels


def _check_kind(image: Image.Image, name: str) -> None:
    """Raise PictureError for pixels that cannot be read, and for camera raws, whose first picture is a preview."""
    if isinstance(image, TiffImageFile) and (_DNG_VERSION in image.tag_v2 or image.tag_v2.get(_SUBFILE, 0) & _REDUCED):
        raise PictureError(f"{name} {CAMERA_RAW}")
    if image.mode in _UNSUPPORTED_MODES:
        raise PictureError(
            f"{name} has the unsupported pixel format {image.mode}; save it with 8 or 16 bits per channel"
        )


def _channels(image: Image.Image) -> int:
    """Count the channels of the decoded pixels."""
    colours = 1 if image.mode in ("1", "L", "LA", "La") or image.mode.startswith("I;16") else 3
    return colours + (image.has_transparency_data and image.mode != "CMYK")


@contextmanager
def _opened(source: Source, limits: Limits = DEFAULT_LIMITS) -> Iterator[Image.Image]:
    file = BytesIO(source) if isinstance(source, bytes) else source
    with _plain_errors(source), open_picture(file, limits) as image:
        yield image


def _start(source: Source) -> bytes:
    if isinstance(source, bytes):
        return source[:LENGTH]
    with source.open("rb") as file:
        return file.read(LENGTH)


def _name(source: Source) -> str:
    return "the picture" if isinstance(source, bytes) else str(source)


@contextmanager
def _plain_errors(source: Source) -> Iterator[None]:
    """Convert library exceptions for a broken file into PictureError."""
    name = _name(source)
    try:
        yield
    except UnidentifiedImageError as error:
        raise UnknownFormatError(f"{name} {unreadable(_start(source))}") from error
    except _BROKEN as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise PictureError(f"{name} is broken ({first_line(error)}); download or export it again") from error


def first_line(error: Exception) -> str:
    """Return the first line of an exception's message, or its type's name."""
    message = getattr(error, "detail", "").strip() or str(error).strip() or type(error).__name__
    return message.splitlines()[0]


def _frame_sizes(image: Image.Image, path: Path, most: int | None) -> Mapping[tuple[int, int], int]:
    """Count the frames of each size. Raises LimitError if there are more than `most`."""
    frames = 1 if image.format in _LAYERS else getattr(image, "n_frames", 1) if image.format != "TIFF" else None
    sizes = Counter({image.size: frames or 1})
    if frames is None:  # TIFF pages may differ in size, and each is found only through the one before
        for n in count(1):
            try:
                image.seek(n)
            except EOFError:
                break
            sizes[image.size] += 1
            if exceeds(n + 1, most):
                break
        image.seek(0)
    if exceeds(sum(sizes.values()), most):
        raise LimitError(f"{path} has more frames or pages than the limit of {most:,}; split it")
    return sizes


def _sequence(image: Image.Image, frames: int) -> Sequence:
    if frames == 1:
        return Sequence.SINGLE
    return Sequence.PAGES if image.format == "TIFF" else Sequence.ANIMATION


def _metadata(image: Image.Image, path: Path) -> Metadata:
    metadata = read_metadata(image, path)
    return replace(metadata, profile=b"") if image.mode == "CMYK" else metadata  # decoding converts it to sRGB


def _is_deep(image: Image.Image, source: Source, frames: int) -> bool:
    """Return True if a file has 16 bits per channel; Pillow silently opens 16-bit colour as 8 bits."""
    if image.format == "TIFF" or (image.format == "PNG" and frames == 1):
        return bool(_vips_image(source, image.format, 1).format == "ushort")
    return False


def _vips_image(source: Source, format: str, pages: int) -> pyvips.Image:
    """Open a file with libvips for sequential reading; the first pages of a TIFF are stacked vertically."""
    options = {"access": "sequential", "fail_on": "error"} | ({} if format == "PNG" else {"n": pages})
    if isinstance(source, bytes):
        load = pyvips.Image.pngload_buffer if format == "PNG" else pyvips.Image.tiffload_buffer
        return load(source, **options)
    load = pyvips.Image.pngload if format == "PNG" else pyvips.Image.tiffload
    return load(str(source), **options)


def _decoded(image: Image.Image, path: Path) -> Pixels:
    if image.mode in ("CMYK", "YCbCr"):
        image = _in_srgb(image, path)
    elif image.has_transparency_data:
        image = image.convert("LA" if image.mode in ("1", "L", "LA", "La") else "RGBA")
    elif image.mode in ("1", "L"):
        image = image.convert("L")
    else:
        image = image.convert("RGB")
    pixels: Pixels = np.asarray(image)
    return pixels if pixels.ndim == 3 else pixels[:, :, np.newaxis]


def _in_srgb(image: Image.Image, path: Path) -> Image.Image:
    if image.mode == "YCbCr":
        return image.convert("RGB")
    if converted := _by_profile(image, image.info.get("icc_profile")):
        _log.warning("%s: converted its CMYK colours to sRGB by its profile", path)
        return converted
    _log.warning("%s: converted its CMYK colours to sRGB approximately, without a CMYK profile", path)
    return image.convert("RGB")


def _by_profile(image: Image.Image, profile: bytes | None) -> Image.Image | None:
    """Convert a picture to sRGB; return None if its profile is missing, broken or of another colour space."""
    if not profile:
        return None
    try:
        return ImageCms.profileToProfile(image, ImageCms.ImageCmsProfile(BytesIO(profile)), _SRGB, outputMode="RGB")
    except (ImageCms.PyCMSError, OSError, ValueError):
        return None


def _remaining_orientation(format: str | None, stored: int) -> int:
    """Return the orientation still to apply after decoding: Pillow applies the orientation of TIFFs only."""
    return 1 if format == "TIFF" else stored


def _upright(pixels: Pixels, orientation: int) -> Pixels:
    """Rotate and flip a picture, HWC, by its EXIF orientation; returns a view."""
    transposed, upside_down, mirrored = ORIENTATIONS[orientation]
    if transposed:
        pixels = pixels.swapaxes(0, 1)
    return pixels[:: -1 if upside_down else 1, :: -1 if mirrored else 1]
