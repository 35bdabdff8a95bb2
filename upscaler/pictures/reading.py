"""Reading of picture files: first the header, so that what is too large is refused undecoded, then the frames."""

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

from upscaler.errors import LimitError, PictureError, UnknownFormatError
from upscaler.limits import DEFAULT_LIMITS, Limits, exceeds
from upscaler.pictures import lossy
from upscaler.pictures.exif import ORIENTATIONS
from upscaler.pictures.formats import Sequence
from upscaler.pictures.metadata import Metadata, orientation, read_metadata
from upscaler.pictures.opening import open_picture
from upscaler.pictures.vips import pyvips
from upscaler.pixels import Pixels, to_8_bits

_LAYERS = ("MPO", "HEIF")  # what follows the first picture is a preview or a depth map
_UNSUPPORTED_MODES = ("F", "I", "LAB")
_STRIP = 256  # rows that libvips gives at a time
# What Pillow's decoders let through of a broken file, as changing single bytes of small pictures shows
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
    """What is known of a picture file before it is decoded.

    width, height: of the first frame, upright. sizes: the number of frames of each width and height, as stored.
    channels, depth: of one pixel, depth in bits. loops: how often an animation is shown (0: for ever, None: not said).
    still_first: an APNG's first picture is not part of its animation. jpeg: lossy compression left traces.
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
        """ " in 12 frames", " in 3 pages", or nothing for one picture: to be put after a size in a sentence."""
        if self.sequence is Sequence.SINGLE:
            return ""
        return f" in {self.frames} {'pages' if self.sequence is Sequence.PAGES else 'frames'}"


@dataclass(frozen=True)
class Frame:
    """One picture of a file: pixels, upright, HWC with 1 to 4 channels; milliseconds: how long it is shown."""

    pixels: Pixels
    milliseconds: float = 0.0


def read_header(path: Path, limits: Limits = DEFAULT_LIMITS) -> Header:
    """Read what there is to know before decoding.

    Raises PictureError if `path` is no picture that can be read, or has more frames or scans than `limits`.
    """
    with _opened(path, limits) as image:
        _check_mode(image, str(path))
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
    """Decode one frame after another. Raises PictureError at the first that is broken."""
    if header.format == "PNG":
        with _opened(header.path) as image:
            image.verify()  # decoding does not look at the checksums of the pixels
    read = _read_deep if header.depth == 16 else _read_plain
    yield from read(header)


def read_rgb8(source: Source, limits: Limits = DEFAULT_LIMITS) -> Pixels:
    """Read the first picture of a file as people see it: upright, HW3 uint8 in sRGB, without transparency.

    Raises LimitError if it has more pixels, scans or frames than `limits`, UnknownFormatError if it is no picture, and
    PictureError if it is broken.
    """
    with _opened(source, limits) as image:
        name = _name(source)
        _check_mode(image, name)
        if exceeds(image.width * image.height, limits.pixels):
            raise LimitError(f"{name} has {image.width}x{image.height} pixels, which is too large; make it smaller")
        profile, format, stored = image.info.get("icc_profile"), image.format or "", orientation(image)
        if _is_deep(image, source, getattr(image, "n_frames", 1)):
            profile = None if image.mode == "CMYK" else profile  # converted already
            pixels = to_8_bits(next(_deep_frames(source, format, 1)))
            plain = Image.fromarray(pixels if pixels.shape[2] > 1 else pixels[:, :, 0])
        else:
            plain, stored = image, _remaining_orientation(format, stored)
        return _upright(np.asarray(_rgb(plain, profile)), stored)


def _rgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    """Convert a picture of 8 bits to sRGB; a profile that is broken or of other colours than the pixels is ignored."""
    if profile:
        if image.mode not in _MODES_OF_PROFILES:
            image = image.convert("L" if image.mode in ("1", "LA", "La") else "RGB")
        try:
            own = ImageCms.ImageCmsProfile(BytesIO(profile))
            return ImageCms.profileToProfile(image, own, _SRGB, outputMode="RGB") or image
        except (ImageCms.PyCMSError, OSError, ValueError):
            pass
    return image.convert("RGB")


def _read_plain(header: Header) -> Iterator[Frame]:
    read = 0
    with _opened(header.path) as image:
        for n, frame in zip(range(header.frames), ImageSequence.Iterator(image), strict=False):
            if frame.size not in header.sizes:  # memory and work were foreseen for those
                raise PictureError(f"{header.path} has a frame ({n + 1}) of another size than it says; export it again")
            pixels = _upright(_decoded(frame, header.path), _remaining_orientation(header.format, header.orientation))
            read += 1
            yield Frame(pixels, float(frame.info.get("duration", 0)))
    if read < header.frames:
        raise PictureError(f"{header.path} has {read} of the {header.frames} frames that it promises; fetch it again")


def _read_deep(header: Header) -> Iterator[Frame]:
    with _plain_errors(str(header.path)):
        if len(header.sizes) > 1:
            raise PictureError(f"{header.path} has pages of 16 bits and different sizes; split the file")
        for pixels in _deep_frames(header.path, header.format, header.frames):
            yield Frame(_upright(pixels, header.orientation))


def _deep_frames(source: Source, format: str, frames: int) -> Iterator[Pixels]:
    """Decode the first frames of a file: HWC uint16, as they lie in it."""
    image = _vips_image(source, format, frames)
    if image.interpretation == "cmyk":
        _log.warning("%s: its CMYK colours are converted to sRGB", _name(source))
        image = image.icc_transform("srgb", embedded=True, depth=16, intent="perceptual")
    region, height = pyvips.Region.new(image), image.height // frames
    for n in range(frames):  # one region reads all pages in one pass; opening each would walk to it
        pixels = np.empty((height, image.width, image.bands), np.uint16)
        for top in range(0, height, _STRIP):
            strip = pixels[top : top + _STRIP]
            rows = region.fetch(0, n * height + top, image.width, len(strip))
            strip[:] = np.frombuffer(rows, np.uint16).reshape(strip.shape)
        yield pixels


def _check_mode(image: Image.Image, name: str) -> None:
    if image.mode in _UNSUPPORTED_MODES:
        raise PictureError(f"{name} has pixels of the kind {image.mode}; save it with 8 or 16 bits a channel")


def _channels(image: Image.Image) -> int:
    """Count the channels of the decoded pixels."""
    colours = 1 if image.mode in ("1", "L", "LA", "La") or image.mode.startswith("I;16") else 3
    return colours + (image.has_transparency_data and image.mode != "CMYK")


@contextmanager
def _opened(source: Source, limits: Limits = DEFAULT_LIMITS) -> Iterator[Image.Image]:
    file = BytesIO(source) if isinstance(source, bytes) else source
    with _plain_errors(_name(source)), open_picture(file, limits) as image:
        yield image


def _name(source: Source) -> str:
    return "the picture" if isinstance(source, bytes) else str(source)


@contextmanager
def _plain_errors(name: str) -> Iterator[None]:
    """Turn what libraries raise of a broken file into a PictureError."""
    try:
        yield
    except UnidentifiedImageError as error:
        raise UnknownFormatError(
            f"{name} is not a picture that can be read; give a JPEG, PNG, WebP, TIFF, BMP, GIF or AVIF"
        ) from error
    except _BROKEN as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise PictureError(f"{name} is broken ({first_line(error)}); fetch or export it again") from error


def first_line(error: Exception) -> str:
    """What a library says of a failure, in one line."""
    said = getattr(error, "detail", "").strip() or str(error).strip() or type(error).__name__
    return said.splitlines()[0]


def _frame_sizes(image: Image.Image, path: Path, most: int | None) -> Mapping[tuple[int, int], int]:
    """Count the frames of each size. Raises LimitError if there are more than `most`."""
    frames = 1 if image.format in _LAYERS else getattr(image, "n_frames", 1) if image.format != "TIFF" else None
    sizes = Counter({image.size: frames or 1})
    if frames is None:  # the pages differ, and none is found but by way of those before
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
    return replace(metadata, profile=b"") if image.mode == "CMYK" else metadata  # it is decoded to sRGB


def _is_deep(image: Image.Image, source: Source, frames: int) -> bool:
    """Return True if a file has 16 bits a channel; Pillow opens such colours as 8 bits without a word."""
    if image.format == "TIFF" or (image.format == "PNG" and frames == 1):
        return bool(_vips_image(source, image.format, 1).format == "ushort")
    return False


def _vips_image(source: Source, format: str, pages: int) -> pyvips.Image:
    """Open a file with libvips, to be read from top to bottom; the first pages of a TIFF, one below another."""
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
    if converted := _by_profile(image):
        _log.warning("%s: its CMYK colours are converted to sRGB, by its profile", path)
        return converted
    _log.warning("%s: its CMYK colours are converted to sRGB, roughly: it has no profile for them", path)
    return image.convert("RGB")


def _by_profile(image: Image.Image) -> Image.Image | None:
    """A CMYK picture in sRGB, or None if it has no profile, or one that is broken or of other colours."""
    try:
        source = ImageCms.ImageCmsProfile(BytesIO(image.info["icc_profile"]))
        transform = ImageCms.buildTransform(source, ImageCms.createProfile("sRGB"), "CMYK", "RGB")
    except (KeyError, OSError, ImageCms.PyCMSError):
        return None
    converted = Image.new("RGB", image.size)
    transform.apply(image, converted)
    return converted


def _remaining_orientation(format: str | None, stored: int) -> int:
    """Return the orientation that is left after decoding: Pillow applies that of TIFFs only."""
    return 1 if format == "TIFF" else stored


def _upright(pixels: Pixels, orientation: int) -> Pixels:
    """Turn and flip a picture, HWC, as its EXIF orientation says; a view."""
    transposed, upside_down, mirrored = ORIENTATIONS[orientation]
    if transposed:
        pixels = pixels.swapaxes(0, 1)
    return pixels[:: -1 if upside_down else 1, :: -1 if mirrored else 1]
