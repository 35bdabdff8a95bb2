"""Small pictures for the page while a picture is upscaled: the original, and the rows that are done."""

import io
import time
from math import ceil
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from apps.ui.batch import PARTIAL, THUMBNAIL
from upscaler.atomic import atomic_path
from upscaler.pictures.header import Header
from upscaler.pixels import Pixels, to_8_bits

_SIDE = 1024  # pixels, the longer side at most
_INTERVAL = 2.0  # seconds between two pictures of the rows that are done


class Previews:
    """Writer of a picture's thumbnail at the start, and every two seconds of the rows that are done."""

    def __init__(self, folder: Path) -> None:
        """Set the picture's folder."""
        self._folder = folder
        self._written = 0.0
        self._strips: list[NDArray[np.uint8]] = []
        self._rows = 0  # of the upscaled picture that are in the strips

    def __call__(self, header: Header, source: Pixels, doubled: Pixels, rows: int) -> None:
        """Write what is due. source, doubled: HWC; the first `rows` of `doubled` are done."""
        if not self._written:
            self._write(THUMBNAIL, header, _shrunk(source, _step(source)), format="WEBP", quality=80, method=0)
        elif time.monotonic() - self._written > _INTERVAL and doubled.shape[2] in (1, 3):  # alpha follows the colours
            step = _step(doubled)
            rows -= (rows - self._rows) % step
            if rows > self._rows:
                self._strips.append(_shrunk(doubled[self._rows : rows], step))
                self._rows = rows
                self._write(PARTIAL, header, np.concatenate(self._strips), format="JPEG", quality=85)

    def _write(self, name: str, header: Header, pixels: Pixels, **options: Any) -> None:
        encoded = io.BytesIO()
        profile = header.metadata.profile if pixels.shape[2] >= 3 else b""
        _image(pixels).save(encoded, icc_profile=profile, **options)
        with atomic_path(self._folder / name) as temporary:
            temporary.write_bytes(encoded.getbuffer())
        self._written = time.monotonic()


def _step(pixels: Pixels) -> int:
    """Return the side of the squares that become one pixel."""
    side: int = max(pixels.shape[:2])
    return ceil(side / _SIDE)


def _shrunk(pixels: Pixels, step: int) -> NDArray[np.uint8]:
    """Average squares of `step` pixels a side: HWC -> HWC uint8."""
    rows = np.ascontiguousarray(to_8_bits(pixels), np.uint8)
    small = np.asarray(_image(rows).reduce(step), np.uint8)
    return small if small.ndim == 3 else small[:, :, np.newaxis]


def _image(pixels: Pixels) -> Image.Image:
    return Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels)
