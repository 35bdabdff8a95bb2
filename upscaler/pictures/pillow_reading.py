"""Reading of pictures with 8 bits per channel with Pillow."""

from collections.abc import Iterator
from itertools import count
from pathlib import Path

import numpy as np
from PIL import Image, ImageSequence

from upscaler.errors import LimitError, PictureError
from upscaler.limits import exceeds
from upscaler.pictures.colour import cmyk_in_srgb
from upscaler.pictures.header import Frame, Header, Page
from upscaler.pictures.orientation import upright, upright_size
from upscaler.pixels import Pixels, to_8_bits

_LAYERS = ("MPO", "HEIF")  # formats whose further pictures are previews or depth maps
_GRAY_MODES = ("1", "L", "LA", "La")


def pages_of(image: Image.Image, path: Path, orientation: int, depth: int, most: int | None) -> tuple[Page, ...]:
    """List the frames of an opened file. Raises LimitError if there are more than `most`."""
    frames = 1 if image.format in _LAYERS else getattr(image, "n_frames", 1) if image.format != "TIFF" else None
    sizes = [image.size] * (frames or 1)
    if frames is None:  # TIFF pages may differ in size, and each is found only through the one before
        for n in count(1):
            try:
                image.seek(n)
            except EOFError:
                break
            sizes.append(image.size)
            if exceeds(n + 1, most):
                break
        image.seek(0)
    if exceeds(len(sizes), most):
        raise LimitError(f"{path} has more frames or pages than the limit of {most:,}; split it")
    channels, left = _channels(image), remaining_orientation(image.format, orientation)
    return tuple(Page(*upright_size(size, left), channels, depth, orientation) for size in sizes)


def plain_frames(image: Image.Image, header: Header) -> Iterator[Frame]:
    """Decode the frames of an opened file. Raises PictureError if they are not those that the header declares."""
    read = 0
    for n, (page, frame) in enumerate(zip(header.pages, ImageSequence.Iterator(image), strict=False), start=1):
        left = remaining_orientation(header.format, page.orientation)
        if upright_size(frame.size, left) != (page.width, page.height):  # the memory estimate and the price hang on it
            raise PictureError(f"{header.path}: frame {n} has another size than the header declares; export it again")
        pixels = upright(_decoded(frame, header.path), left)
        read = n
        yield Frame(pixels, float(frame.info.get("duration", 0)))
    if read < header.frames:
        raise PictureError(f"{header.path} has only {read} of {header.frames} declared frames; download it again")


def remaining_orientation(format: str | None, stored: int) -> int:
    """Return the orientation still to apply after decoding: Pillow applies the orientation of TIFFs only."""
    return 1 if format == "TIFF" else stored


def _channels(image: Image.Image) -> int:
    """Count the channels of the decoded pixels."""
    colours = 1 if image.mode in _GRAY_MODES or image.mode.startswith("I;16") else 3
    return colours + (image.has_transparency_data and image.mode != "CMYK")


def _decoded(image: Image.Image, path: Path) -> Pixels:
    if image.mode == "I;16":  # of a JPEG 2000; Pillow would cut its values off at 255
        return to_8_bits(np.asarray(image)[:, :, np.newaxis])
    if image.mode == "CMYK":
        image = cmyk_in_srgb(image, str(path))
    elif image.has_transparency_data:
        image = image.convert("LA" if image.mode in _GRAY_MODES else "RGBA")
    else:
        image = image.convert("L" if image.mode in _GRAY_MODES else "RGB")
    pixels: Pixels = np.asarray(image)
    return pixels if pixels.ndim == 3 else pixels[:, :, np.newaxis]
