"""Reading of pictures with 8 bits per channel with Pillow."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image, ImageSequence

from upscaler.errors import PictureError
from upscaler.limits import check_frame_limit
from upscaler.pictures.animation import shows_background
from upscaler.pictures.apng import controls_of
from upscaler.pictures.colour import cmyk_in_srgb, is_gray
from upscaler.pictures.content import content_of
from upscaler.pictures.gif_file import frames_of
from upscaler.pictures.header import Frame, Header, Page
from upscaler.pictures.orientation import upright, upright_size
from upscaler.pixels import Pixels, to_8_bits

_LAYERS = ("MPO", "HEIF")  # formats whose further pictures are previews or depth maps
_LEAST_FRAME = 8  # bytes of a file


def pages_of(image: Image.Image, path: Path, orientation: int, depth: int, most: int | None) -> tuple[Page, ...]:
    """List the frames of an opened file. Raises LimitError if there are more than `most`, PngError for broken ones."""
    if image.format == "GIF":
        frames, channels = _count_in_gif(path, image.size)
    else:
        frames, channels = 1 if image.format in _LAYERS else getattr(image, "n_frames", 1), _channels(image)
    _check_frames(frames, path, most)
    if image.format == "PNG" and frames > 1 and channels in (1, 3):
        channels += shows_background(controls_of(path, image.size), image.size)
    return (Page(*upright_size(image.size, orientation), channels, depth, orientation),) * frames


def _check_frames(frames: int, path: Path, most: int | None) -> None:
    """Raise PictureError for more frames than `most`, or than the file can hold: an APNG may declare 2 billion."""
    check_frame_limit(frames, path, most)
    if frames * _LEAST_FRAME > path.stat().st_size:
        raise PictureError(f"{path} declares {frames:,} frames, more than it can hold; export it again")


def plain_frames(image: Image.Image, header: Header) -> Iterator[Frame]:
    """Decode the frames of an opened file. Raises PictureError if they are not those that the header declares."""
    read = 0
    # A HEIC is opened at its primary picture, which need not be the first
    frames = [image] if header.frames == 1 else ImageSequence.Iterator(image)
    for n, (page, frame) in enumerate(zip(header.pages, frames, strict=False), start=1):
        name = f"{header.path}: frame {n}"
        check_frame_size(upright_size(frame.size, page.orientation), page, name)
        pixels = upright(decoded(frame), page.orientation)
        check_frame_size((pixels.shape[1], pixels.shape[0]), page, name)  # a HEIC may be cropped when it is decoded
        read = n
        yield Frame(pixels, float(frame.info.get("duration", 0)))
    if read < header.frames:
        raise PictureError(f"{header.path} has only {read} of {header.frames} declared frames; download it again")


def check_frame_size(size: tuple[int, int], page: Page, name: str) -> None:
    """Raise PictureError for another size than the one on which the memory estimate and the price hang."""
    if size != (page.width, page.height):
        raise PictureError(f"{name} has another size than the header declares; export it again")


def _channels(image: Image.Image) -> int:
    """Count the channels of the decoded pixels."""
    colours = 1 if is_gray(image) else 3
    return colours + (image.has_transparency_data and image.mode != "CMYK")


def _count_in_gif(path: Path, size: tuple[int, int]) -> tuple[int, int]:
    """Count the frames and the channels that these have when they are composed; any number takes no memory."""
    with path.open("rb") as file:
        content = content_of(file)
        count = sum(1 for _ in frames_of(content))
        colours = 1 if all(frame.gray for frame in frames_of(content)) else 3
        return count, colours + shows_background((frame.control for frame in frames_of(content)), size)


def in_8_bits(image: Image.Image) -> Image.Image:
    """Return an opened file with 8 bits per channel, from 0 to 255; Pillow would cut off 16 bits of gray at 255."""
    if image.mode == "I;16":
        return Image.fromarray(to_8_bits(np.asarray(image)))
    depths: tuple[int, ...] = image.info.get("depths", ())  # of a JPEG 2000
    if min(depths, default=8) == 8:
        return image
    bands = zip(image.getbands(), depths, strict=True)
    return image.point([value for band, bits in bands for value in _widened(band, bits)])


def _widened(band: str, bits: int) -> list[int]:
    """Return the 8-bit value, or the index of a palette, of each byte into which Pillow shifts fewer bits."""
    unused = 8 - bits
    if band == "P":
        return [byte >> unused for byte in range(256)]
    most = 255 >> unused << unused
    return [min(255, round(byte * 255 / most)) for byte in range(256)]  # conversion to RGB may have exceeded `most`


def decoded(image: Image.Image) -> Pixels:
    """Decode the current frame of an opened file: HWC, in sRGB if it is CMYK."""
    image = in_8_bits(image)
    if image.mode == "CMYK":
        image = cmyk_in_srgb(image)
    else:
        mode = ("L" if is_gray(image) else "RGB") + "A" * image.has_transparency_data
        image = image if image.mode == mode else image.convert(mode)  # which would copy it
    pixels: Pixels = np.asarray(image)
    return pixels if pixels.ndim == 3 else pixels[:, :, np.newaxis]
