"""Small photos in several formats, and small files of large pictures."""

import io
import struct
import zlib
from functools import cache
from pathlib import Path

from PIL import Image

PHOTO = Path(__file__).parents[2] / "apps/ui/samples/butterfly.jpg"
FORMATS = {"jpg": "JPEG", "png": "PNG", "webp": "WEBP", "tif": "TIFF", "gif": "GIF", "bmp": "BMP", "avif": "AVIF"}
SIDE = (120, 80)
PNG = b"\x89PNG\r\n\x1a\n"


@cache
def photo(suffix: str) -> bytes:
    """Return a photo of 120x80 pixels as file content."""
    with Image.open(PHOTO) as image:
        return _saved(image.resize(SIDE), FORMATS[suffix])


@cache
def hostile() -> dict[str, bytes]:
    """Return files by name, each at most a few 100 kB."""
    with Image.open(PHOTO) as image:
        small = image.resize(SIDE)
    tiny = [Image.new("L", (4, 2), n % 256) for n in range(1000)]
    return {
        "frames_that_are_not_there.png": _animated(2**31 - 1, 2**16, 2**16),
        "a_billion_pixels.png": _png(2**15, 2**15, b""),
        "thin.png": _saved(Image.new("L", (1, 60_000)), "PNG"),
        "a_thousand_frames.gif": _saved(tiny[0], "GIF", save_all=True, append_images=tiny[1:], duration=20),
        "cut.jpg": photo("jpg")[:-400],
        "blanks.webp": _saved(small, "WEBP", xmp=b"<x:xmpmeta>" + b" " * 80_000 + b"exif:GPS"),
        "pages.tif": _saved(tiny[0], "TIFF", save_all=True, append_images=tiny[1:]),
        "words.jpg": b"no picture" * 1000,
        "script.eps": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n{} loop\n",
        "drawing.svg": b'<svg xmlns="http://www.w3.org/2000/svg"><image href="file:///etc/passwd"/></svg>',
    }


def _saved(image: Image.Image, format: str, **options: object) -> bytes:
    content = io.BytesIO()
    image.save(content, format, **options)
    return content.getvalue()


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _png(width: int, height: int, before_data: bytes) -> bytes:
    header = _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return PNG + header + before_data + _chunk(b"IDAT", zlib.compress(b"\0")) + _chunk(b"IEND", b"")


def _animated(frames: int, width: int, height: int) -> bytes:
    control = struct.pack(">IIIIIHHBB", 0, width, height, 0, 0, 1, 10, 0, 0)
    return _png(width, height, _chunk(b"acTL", struct.pack(">II", frames, 0)) + _chunk(b"fcTL", control))
