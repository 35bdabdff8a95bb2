"""Encoding of pictures with metadata and timing: PNG, TIFF and JPEG by libvips, other formats by Pillow."""

import io
import logging
import struct
from dataclasses import replace
from typing import Any, BinaryIO

from PIL import Image, PngImagePlugin

from upscaler.errors import PictureError
from upscaler.pictures.avif import SPEED, write_avif
from upscaler.pictures.capacity import within_capacity
from upscaler.pictures.decoding import reason_of
from upscaler.pictures.depth import warn_of_lost_bits, written_bits
from upscaler.pictures.directories import PREFIX
from upscaler.pictures.formats import AVIF, GIF, HEIF, JPEG, JPEG_2000, PNG, STANDARD_QUALITY, TIFF, WEBP, Format
from upscaler.pictures.header import Frame, Header
from upscaler.pictures.icc_profiles import GRAY, RGB, fitted
from upscaler.pictures.insertion import insert
from upscaler.pictures.jpeg_2000 import with_metadata
from upscaler.pictures.jpeg_writing import write_jpeg
from upscaler.pictures.metadata import Metadata
from upscaler.pictures.palette import in_palette
from upscaler.pictures.png_file import EXIF, SPACE, Chunk, insert_chunks
from upscaler.pictures.png_texts import profile_chunk
from upscaler.pictures.tiff_writing import write_tiff
from upscaler.pictures.timing import timing_options
from upscaler.pictures.vips import pyvips
from upscaler.pictures.vips_writing import DEFLATE_LEVEL, target_at, vips_image

_APP13 = b"\xff\xed"  # the segment of image resources
_PNG_HEADER = 33  # bytes: the signature and the first chunk
_SPACE = 1_000_000  # bytes: more than what a file system gives to the last block of a full disk

_DECIBELS_OF_QUALITY = 0.5  # PSNR of a JPEG 2000; 95 is 47.5 dB
# For HEIC, x265's fastest preset takes a seventh of the default's time, for a file 9 % larger and 0.06 dB more
_EFFORTS: dict[Format, dict[str, Any]] = {AVIF: {"speed": SPEED}, HEIF: {"enc_params": {"preset": "ultrafast"}}}

_log = logging.getLogger(__name__)


def write(
    file: BinaryIO, format: Format, frames: list[Frame], header: Header, metadata: Metadata, quality: int
) -> None:
    """Encode frames into an open, empty file, emptying the list.

    Raises PictureError if the encoder refuses them, and OSError if the disk is full.

    header: header of the source file. metadata: metadata to write. quality: encoder quality of JPEG, WebP, AVIF and
    HEIC, 1 to 100; only below the standard one do a lossless WebP and AVIF become lossy.
    """
    if header.still_first and format is not PNG:
        _log.warning("%s: dropped its still picture, which is not part of the animation", header.path)
        del frames[0]
    warn_of_lost_bits(header, format)
    bits, lossless = written_bits(header, format), _stays_lossless(header, format, quality)
    height, width = frames[0].pixels.shape[:2]
    metadata = within_capacity(replace(metadata, profile=_profile(format, frames, metadata)), format, header.path)
    try:
        if format is PNG and len(frames) == 1:
            _write_png(file, frames[0], metadata)
        elif format is JPEG:
            write_jpeg(file, frames.pop(), _metadata_options(format, metadata), quality)
        elif format is TIFF:
            write_tiff(file, frames, metadata, str(header.path))
        elif format is AVIF and len(frames) == 1 and (bits > 8 or lossless):
            image = vips_image(frames[0], metadata)
            write_avif(file, image, metadata.exif, quality=quality, bits=bits, lossless=lossless)
        else:
            _write_by_pillow(file, format, frames, header, metadata, quality)
        if format is PNG:
            _insert_png_metadata(file, metadata)
    except (RuntimeError, ValueError, struct.error, pyvips.Error) as error:  # RuntimeError is of pillow_heif
        if isinstance(error, pyvips.Error):
            _check_space(file)
        _log.debug("%s: %s", header.path, type(error).__name__, exc_info=True)
        reason = reason_of(error, f"its encoder fails with {width}x{height} pixels")
        instead = "TIFF" if format is PNG else "PNG"
        raise PictureError(f"the picture cannot be written as {format} ({reason}); choose {instead}") from error


def _check_space(file: BinaryIO) -> None:
    """Raise OSError if the file cannot grow, which libvips reports like any other failure."""
    with open(file.fileno(), "ab", closefd=False) as end:
        end.write(bytes(_SPACE))


def _profile(format: Format, frames: list[Frame], metadata: Metadata) -> bytes:
    """Return the colour profile to write: b"" for a PNG whose own chunks say the colour."""
    if format is PNG and any(chunk.kind in SPACE for chunk in metadata.chunks):
        return b""
    return fitted(metadata.profile, GRAY if frames[0].pixels.shape[2] in format.gray else RGB)


def _write_png(file: BinaryIO, frame: Frame, metadata: Metadata) -> None:
    vips_image(frame, metadata).pngsave_target(target_at(file), compression=DEFLATE_LEVEL, keep="icc|xmp")
    if metadata.exif:  # libvips would write it anew
        insert(file, _PNG_HEADER, Chunk(EXIF, metadata.exif).written)


def _insert_png_metadata(file: BinaryIO, metadata: Metadata) -> None:
    credits = (profile_chunk("iptc", metadata.iptc.resources),) if metadata.iptc.resources else ()
    if chunks := (*metadata.chunks, *credits):
        file.flush()
        insert_chunks(file, chunks)


def _write_by_pillow(
    file: BinaryIO, format: Format, frames: list[Frame], header: Header, metadata: Metadata, quality: int
) -> None:
    options = {} if format is JPEG_2000 else _metadata_options(format, metadata)
    options |= _compression_options(format, header, quality)
    if len(frames) > 1:
        options |= _animation_options(format, frames, header) | {"save_all": True}
    transparent = _are_transparent_in_turns(format, frames)
    images = []
    while frames:  # release each frame once Pillow has copied it
        images.append(_pillow_image(frames.pop(0), format, with_transparent=transparent))
    if len(images) > 1:
        options["append_images"] = images[1:]
    encoded = io.BytesIO()  # with a real file, Pillow takes a partial write for a complete one
    images[0].save(encoded, format.name, **options)
    if format is JPEG_2000:
        file.write(with_metadata(encoded.getvalue(), metadata.exif, metadata.xmp, metadata.profile))
        return
    file.write(encoded.getbuffer())


def _are_transparent_in_turns(format: Format, frames: list[Frame]) -> bool:
    """Return True for a GIF of several frames some of which have transparency.

    Each needs a transparent colour then: decoders clear a frame that has none to an opaque background.
    """
    return format is GIF and len(frames) > 1 and any(frame.pixels.shape[2] in (2, 4) for frame in frames)


def _pillow_image(frame: Frame, format: Format, *, with_transparent: bool) -> Image.Image:
    if frame.pixels.shape[2] == 1 and not with_transparent:
        return Image.fromarray(frame.pixels[:, :, 0])
    return in_palette(frame, with_transparent=with_transparent) if format is GIF else Image.fromarray(frame.pixels)


def _metadata_options(format: Format, metadata: Metadata) -> dict[str, Any]:
    """Return metadata as keyword arguments of Pillow's `save`."""
    options: dict[str, Any] = {"dpi": metadata.dpi} if metadata.dpi else {}
    if metadata.profile:
        options["icc_profile"] = metadata.profile
    if metadata.comment:
        options["comment"] = metadata.comment
    if format is JPEG and (segment := metadata.iptc.app13):
        options["extra"] = _APP13 + (len(segment) + 2).to_bytes(2, "big") + segment
    if metadata.exif:
        options["exif"] = _Verbatim(metadata.exif, format)
    if not metadata.xmp:
        return options
    if format is PNG:
        texts = PngImagePlugin.PngInfo()
        texts.add_itxt("XML:com.adobe.xmp", metadata.xmp.decode("utf-8", "replace"))
        return options | {"pnginfo": texts}
    return options | {"xmp": metadata.xmp}


class _Verbatim(Image.Exif):
    """EXIF that Pillow writes byte for byte; given as bytes, Pillow would re-encode those of an AVIF."""

    def __init__(self, block: bytes, format: Format) -> None:
        super().__init__()
        self._block = PREFIX + block if format is JPEG else block

    def __bool__(self) -> bool:
        return True

    def tobytes(self, offset: int = 8) -> bytes:
        return self._block


def _compression_options(format: Format, header: Header, quality: int) -> dict[str, Any]:
    if format is WEBP and _stays_lossless(header, format, quality):
        return {"lossless": True, "exact": True}
    if format is JPEG_2000 and not _stays_lossless(header, format, quality):
        return {"irreversible": True, "quality_mode": "dB", "quality_layers": [quality * _DECIBELS_OF_QUALITY]}
    return {"quality": quality} | _EFFORTS.get(format, {}) if format in (WEBP, AVIF, HEIF) else {}


def _stays_lossless(header: Header, format: Format, quality: int) -> bool:
    return header.lossless and header.format == format.name and quality >= STANDARD_QUALITY


def _animation_options(format: Format, frames: list[Frame], header: Header) -> dict[str, Any]:
    options = timing_options(frames, header, format)
    if _are_transparent_in_turns(format, frames):
        options["disposal"] = 2  # otherwise the previous frame would show through
        options["optimize"] = False  # it would remove a transparent colour that no pixel of its frame has
    return options
