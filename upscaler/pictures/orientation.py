"""EXIF orientation: the turns and flips that make stored pixels upright."""

from upscaler.pixels import Pixels

# By orientation: whether rows and columns change places, then upside down, then mirrored.
ORIENTATIONS = {
    1: (False, False, False),
    2: (False, False, True),
    3: (False, True, True),
    4: (False, True, False),
    5: (True, False, False),
    6: (True, False, True),
    7: (True, True, True),
    8: (True, True, False),
}


def upright_size(size: tuple[int, int], orientation: int) -> tuple[int, int]:
    """Return the width and height of an upright picture from those stored."""
    transposed, _, _ = ORIENTATIONS[orientation]
    return size[::-1] if transposed else size


def upright(pixels: Pixels, orientation: int) -> Pixels:
    """Turn and flip a picture, HWC; returns a view."""
    transposed, upside_down, mirrored = ORIENTATIONS[orientation]
    if transposed:
        pixels = pixels.swapaxes(0, 1)
    return pixels[:: -1 if upside_down else 1, :: -1 if mirrored else 1]
