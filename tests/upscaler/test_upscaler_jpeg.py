"""JPEGs as libvips writes them: the same pixels and metadata as Pillow's."""

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from support.pictures import photo_like
from upscaler.pictures.header import Frame
from upscaler.pictures.jpeg_writing import write_jpeg
from upscaler.pixels import Pixels

METADATA: dict[str, Any] = {
    "dpi": (300, 200),
    "exif": b"Exif\0\0II*\0\x08\0\0\0\0\0\0\0\0\0",
    "xmp": b"<x:xmpmeta xmlns:x='adobe:ns:meta/'/>",
    "icc_profile": bytes(range(256)) * 600,  # three segments
    "extra": b"\xff\xed\0\x10Photoshop 3.0\0",
}


def opened(path: Path) -> tuple[Pixels, dict[Any, Any]]:
    with Image.open(path) as image:
        return np.asarray(image), dict(image.info)


@given(
    height=st.integers(1, 40),
    width=st.integers(1, 40),
    channels=st.sampled_from([1, 3]),
    quality=st.integers(1, 100),
    names=st.sets(st.sampled_from(sorted(METADATA))),
)
def test_pixels_and_metadata_are_those_of_pillow(
    height: int, width: int, channels: int, quality: int, names: set[str]
) -> None:
    pixels = photo_like(height, width)[:, :, :channels]
    options = {name: METADATA[name] for name in names}
    with tempfile.TemporaryDirectory() as folder:
        ours, pillows = Path(folder, "ours.jpg"), Path(folder, "pillows.jpg")
        with ours.open("w+b") as file:
            write_jpeg(file, Frame(pixels), options, quality)
        image = Image.fromarray(pixels if channels == 3 else pixels[:, :, 0])
        image.save(pillows, quality=quality, subsampling=0, **options)
        (our_pixels, our_info), (their_pixels, their_info) = opened(ours), opened(pillows)
    assert np.array_equal(our_pixels, their_pixels)
    assert our_info == their_info
