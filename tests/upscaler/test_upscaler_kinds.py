"""Kinds of pictures that are refused by name, and rare ones that are read."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from support.odd_pictures import saved
from support.pictures import photo_like
from upscaler.errors import PictureError
from upscaler.pictures import signatures
from upscaler.pictures.formats import BY_SUFFIX
from upscaler.pictures.reading import read_rgb8
from upscaler.pixels import Pixels


def jpeg_of(marker: int, depth: int = 8) -> bytes:
    content = bytearray(saved("JPEG"))
    frame = content.index(b"\xff\xc0")
    content[frame + 1], content[frame + 4] = marker, depth
    return bytes(content)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (jpeg_of(0xC3), "is a lossless JPEG, which is not supported"),
        (jpeg_of(0xC3, 16), "is a lossless JPEG, which is not supported"),
        (jpeg_of(0xC5), "is a hierarchical JPEG"),
        (jpeg_of(0xF7), r"is a lossless \(JPEG-LS\) JPEG"),
        (jpeg_of(0xC2, 12), "is a JPEG of 12 bits per channel, which is not supported; save it with 8 bits"),
        (b"II*\0\x10\0\0\0CR\2\0" + bytes(300), "is a camera raw file"),
        (b"\xff\x0a" + bytes(50), "is a JPEG XL, which is not supported; save it as PNG"),
        (b"\0\0\0\x0cJXL \r\n\x87\n" + bytes(50), "is a JPEG XL"),
        (b'<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg"/>', "is a drawing or a document"),
        (b"\0\0\0\x18ftypavif\0\0\0\0" + bytes(50), "is an AVIF picture that is damaged"),
        (b"%PDF-1.7\n" + bytes(50), "is a drawing or a document"),
    ],
)
def test_refused_by_name(content: bytes, words: str) -> None:
    with pytest.raises(PictureError, match=words):
        read_rgb8(content)


def test_a_heic_names_the_extra_that_reads_it(monkeypatch: pytest.MonkeyPatch) -> None:
    start = b"\0\0\0\x18ftypheic\0\0\0\0"
    others = {suffix: format for suffix, format in BY_SUFFIX.items() if suffix not in (".heic", ".heif")}
    monkeypatch.setattr(signatures, "BY_SUFFIX", others)
    assert "pip install 'double-resolution[heic]'" in signatures.unreadable(start)


@pytest.mark.parametrize("options", [{"progressive": True}, {"subsampling": 2}, {"subsampling": 1}])
def test_jpegs_of_these_kinds_are_read(options: dict[str, Any]) -> None:
    assert distance(read_rgb8(saved("JPEG", quality=95, **options)), photo_like(40, 60)) < 10


def test_a_cmyk_jpeg_has_its_colours(tmp_path: Path) -> None:
    path = tmp_path / "ink.jpg"
    Image.fromarray(photo_like(40, 60)).convert("CMYK").save(path, quality=95)
    assert distance(read_rgb8(path), photo_like(40, 60)) < 10


def distance(first: Pixels, second: Pixels) -> float:
    return float(np.abs(first.astype(float) - second).mean())
