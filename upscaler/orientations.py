"""The eight flips and rotations of the self-ensemble."""

from enum import Enum

from upscaler.pixels import Planes


class Orientation(Enum):
    """Symmetry of a square: (transposed, upside down, mirrored), applied in this order to the last two axes."""

    UPRIGHT = (False, False, False)
    MIRRORED = (False, False, True)
    UPSIDE_DOWN = (False, True, False)
    TURNED_HALF = (False, True, True)
    TRANSPOSED = (True, False, False)
    TURNED_LEFT = (True, True, False)
    TURNED_RIGHT = (True, False, True)
    TRANSVERSED = (True, True, True)

    def apply(self, planes: Planes) -> Planes:
        """Flip and rotate planes, NCHW, into this orientation."""
        transposed, upside_down, mirrored = self.value
        if transposed:
            planes = planes.swapaxes(-1, -2)
        return _flip(planes, upside_down, mirrored)

    def undo(self, planes: Planes) -> Planes:
        """Reverse `apply`."""
        transposed, upside_down, mirrored = self.value
        planes = _flip(planes, upside_down, mirrored)
        return planes.swapaxes(-1, -2) if transposed else planes


def _flip(planes: Planes, upside_down: bool, mirrored: bool) -> Planes:
    return planes[..., :: -1 if upside_down else 1, :: -1 if mirrored else 1]
