"""Geometry of a result: places of the stored picture, turned upright, then scaled."""

from dataclasses import dataclass

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
        return self.orientation >= 5

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
        left, top, width, height = box
        if self.orientation in (2, 3, 7, 8):
            left = frame[0] - left - width
        if self.orientation in (3, 4, 6, 7):
            top = frame[1] - top - height
        return (top, left, height, width) if self.transposed else (left, top, width, height)

    def placed(self, box: Box) -> Box:
        """Turn a box of pixels of the stored picture and scale it."""
        (left, top, width, height), (across, down) = self.turned(box, self.source), self.scale
        return left * across, top * down, width * across, height * down
