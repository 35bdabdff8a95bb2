"""Reading with libvips: of 16-bit PNGs, for Pillow silently opens 16-bit colour as 8 bits."""

from upscaler.pictures.decoding import Source
from upscaler.pictures.vips import pyvips
from upscaler.pixels import Pixels


def is_deep(source: Source) -> bool:
    """Return True if a PNG has 16 bits per channel."""
    return bool(opened(source, "png").format == "ushort")


def deep_pixels(source: Source) -> Pixels:
    """Decode a PNG as stored, before orientation: HWC uint16."""
    image = opened(source, "png")
    pixels: Pixels = image.numpy()
    return pixels.reshape(image.height, image.width, image.bands)


def opened(source: Source, reader: str) -> pyvips.Image:
    """Open a file with a reader of libvips, "png" or "heif"; without its name, which would stand in messages."""
    options = {"access": "sequential", "fail_on": "error"}
    if isinstance(source, bytes):
        return pyvips.Operation.call(f"{reader}load_buffer", source, **options)
    with source.open("rb") as file:  # libvips duplicates the descriptor
        return pyvips.Operation.call(
            f"{reader}load_source", pyvips.Source.new_from_descriptor(file.fileno()), **options
        )
