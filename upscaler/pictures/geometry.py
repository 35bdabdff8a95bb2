"""Geometry of a result: places of the stored picture, turned upright, then scaled."""

from collections.abc import Sequence
from dataclasses import dataclass

from upscaler.pictures.orientation import ORIENTATIONS

Size = tuple[float, float]  # width, height
Box = tuple[float, float, float, float]  # left, top, width, height

UNIT: Size = (1, 1)


@dataclass(frozen=True)
class Geometry:
    """The way from a stored picture to its result.

    orientation: as EXIF numbers it, 1 (upright) to 8; source: size as stored; target: size of the result, in pixels.
    """

    orientation: int
    source: Size
    target: Size

    @property
    def transposed(self) -> bool:
        """True if width and height change places."""
        return ORIENTATIONS[self.orientation][0]

    @property
    def scale(self) -> Size:
        """Pixels of the result for one of the picture turned upright, across and down."""
        width, height = self.upright(self.source)
        return self.target[0] / width, self.target[1] / height

    def upright(self, size: Size) -> Size:
        """Turn a size."""
        return (size[1], size[0]) if self.transposed else size

    def scaled(self, size: Size) -> Size:
        """Turn a size of pixels and scale it."""
        (width, height), (across, down) = self.upright(size), self.scale
        return width * across, height * down

    def turned(self, box: Box, frame: Size = UNIT) -> Box:
        """Turn a box that lies in a frame; both keep their unit."""
        transposed, upside_down, mirrored = ORIENTATIONS[self.orientation]
        left, top, width, height = box
        if transposed:
            left, top, width, height, frame = top, left, height, width, frame[::-1]
        left = frame[0] - left - width if mirrored else left
        top = frame[1] - top - height if upside_down else top
        return left, top, width, height

    def placed(self, box: Box) -> Box:
        """Turn a box of pixels of the stored picture and scale it."""
        (left, top, width, height), (across, down) = self.turned(box, self.source), self.scale
        return left * across, top * down, width * across, height * down

    def subject(self, values: Sequence[float]) -> list[int]:
        """Turn and scale a pixel of the stored picture, which a diameter, or width and height, may follow."""
        (x, y), extent = values[:2], values[2:]
        last = self.source[0] - 1, self.source[1] - 1
        left, top, _, _ = self.turned((x, y, 0, 0), last)
        place = zip((left, top), self.scale, strict=True)
        sides = zip(extent[::-1] if self.transposed else extent, self.scale, strict=False)
        return [round(value * scale) for value, scale in (*place, *sides)]
