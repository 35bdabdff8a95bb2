"""A picture file in, the doubled picture's file out."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from upscaler import images
from upscaler.atomic import atomic_path
from upscaler.upscaler import Progress, Upscaler, empty_double


@dataclass(frozen=True)
class Options:
    """How a file is doubled.

    quality: of JPEG, WebP and AVIF, 1 to 100. times: how often it is doubled (2: four times as wide). flips: average
    over the eight flips and turns. remove_location: leave out where the photo was taken. max_pixels: the most that
    a picture may have before doubling.
    """

    quality: int = 95
    times: int = 1
    flips: bool = False
    remove_location: bool = False
    max_pixels: int = 100_000_000


def double_file(upscaler: Upscaler, source: Path, target: Path, options: Options = Options()) -> Iterator[Progress]:
    """Double the picture in `source` into `target`, whose suffix chooses the format; yields as it goes.

    Closing the iterator cancels and leaves no file. Raises PictureError if the picture cannot be read, is too large,
    or cannot be written in that format.
    """
    picture = images.read(source, options.max_pixels)
    for _ in range(options.times):
        doubled = empty_double(picture.pixels)
        yield from upscaler.upscale_into(doubled, picture.pixels, flips=options.flips)
        picture = replace(picture, pixels=doubled)
    with atomic_path(target) as temporary:
        images.write(temporary, picture, options.quality)
