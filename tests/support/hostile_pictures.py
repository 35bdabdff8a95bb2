"""Small pictures that cost far more than they weigh. Each function writes one."""

import io
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

MOST = 2**31 - 1
XMP_HEAD = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
XMP_TAIL = b"</rdf:RDF></x:xmpmeta>"


def lying_apng(path: Path, frames: int = MOST) -> None:
    """Write a PNG of 4x2 pixels whose header promises many frames and whose content is one."""
    header = struct.pack(">IIBBBBB", 4, 2, 8, 2, 0, 0, 0)
    pixels = zlib.compress(bytes(2 * (1 + 4 * 3)))
    control = struct.pack(">IIIIIHHBB", 0, 4, 2, 0, 0, 1, 10, 0, 0)
    chunks = [(b"IHDR", header), (b"acTL", struct.pack(">II", frames, 0)), (b"fcTL", control)]
    path.write_bytes(_png([*chunks, (b"IDAT", pixels), (b"IEND", b"")]))


def gif(path: Path, frames: int) -> None:
    """Write a GIF of many frames of 4x2 pixels."""
    still = io.BytesIO()
    Image.fromarray(np.arange(8, dtype=np.uint8).reshape(2, 4)).convert("P").save(still, "GIF")
    content = still.getvalue()
    start = content.index(b",", 13 + (3 << (content[10] & 7) + 1))  # behind the header and the palette
    frame = b"\x21\xf9\x04\x00\x02\x00\x00\x00" + content[start:-1]
    path.write_bytes(content[:start] + frame * frames + b";")


def thin_png(path: Path, length: int) -> None:
    """Write a gray PNG one pixel wide."""
    noise = np.random.default_rng(0).integers(0, 2, (length, 1), dtype=np.uint8)
    Image.fromarray(noise * 255).save(path, compress_level=1)


def jpeg_of_scans(path: Path, scans: int, side: int = 64) -> None:
    """Write a progressive JPEG whose last refinement scan is repeated."""
    noise = np.random.default_rng(0).integers(0, 256, (side, side, 3), dtype=np.uint8)
    plain = io.BytesIO()
    Image.fromarray(noise).save(plain, "JPEG", progressive=True, quality=60)
    content = plain.getvalue()
    last = content.rindex(b"\xff\xda")
    path.write_bytes(content[:last] + content[last:-2] * scans + b"\xff\xd9")


def deep_tiff(path: Path, pages: int) -> None:
    """Write a TIFF of many gray pages of 4x2 pixels and 16 bits."""
    block = struct.pack("<8H", *range(0, 8000, 1000))
    content = bytearray()
    for n in range(pages):
        place = 8 + len(content)
        tags = [(256, 4, 4), (257, 4, 2), (258, 3, 16), (259, 3, 1), (262, 3, 1), (273, 4, place)]
        entries = [*tags, (277, 3, 1), (278, 4, 2), (279, 4, len(block))]
        directory = struct.pack("<H", len(entries)) + b"".join(struct.pack("<HHII", t, k, 1, v) for t, k, v in entries)
        after = place + len(block) + len(directory) + 4
        content += block + directory + struct.pack("<I", after + len(block) if n < pages - 1 else 0)
    path.write_bytes(struct.pack("<2sHI", b"II", 42, 8 + len(block)) + content)


def tags_of_the_whole(path: Path, tags: int = 3000, length: int = 5_000_000) -> None:
    """Write a TIFF whose tags all have the whole file as their value."""
    picture = [(256, 4, 1, 4), (257, 4, 1, 2), (258, 3, 1, 8), (259, 3, 1, 1), (262, 3, 1, 1), (273, 4, 1, 8)]
    entries = [*picture, (278, 4, 1, 2), (279, 4, 1, 8), *((40_000 + n, 7, length, 8) for n in range(tags))]
    directory = struct.pack("<H", len(entries)) + b"".join(struct.pack("<HHII", *entry) for entry in entries)
    path.write_bytes(struct.pack("<2sHI", b"II", 42, 8 + length) + bytes(length) + directory + bytes(4))


def overlapping_directories(path: Path, pages: int) -> None:
    """Write a TIFF of pages whose directories have as many entries as they can, most of them in common."""
    entries, step = 65_535, 192
    values = [(256, 4), (257, 2), (258, 8), (259, 1), (262, 1), (273, 8), (277, 1), (278, 2), (279, 8)]
    described = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in values)
    content = bytearray(struct.pack("<2sHI", b"II", 42, 8) + bytes(step * pages + 12 * entries))
    for n in range(pages):
        place = 8 + step * n
        content[place : place + 2 + len(described)] = struct.pack("<H", entries) + described
        link = place + 2 + 12 * entries
        content[link : link + 4] = struct.pack("<I", place + step if n < pages - 1 else 0)
    path.write_bytes(content)


def exif_of_the_whole(path: Path) -> None:
    """Write a picture, in the format that the suffix names, whose EXIF is tags that all have all of it as value."""
    tags_of_the_whole(path, 2400, 35_000 if path.suffix == ".jpg" else 1_000_000)
    exif = b"Exif\0\0" + path.read_bytes()
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (8, 8, 3), dtype=np.uint8))
    image.save(path, exif=exif)
    if path.suffix == ".jpg":  # Pillow joins what further segments hold
        content = path.read_bytes()
        end = content.index(exif) + len(exif)
        more = b"\xff\xe1\xff\xffExif\0\0" + bytes(65_527)
        path.write_bytes(content[:end] + more * 30 + content[end:])


def exif_that_begins_again(path: Path) -> None:
    """Write a picture whose EXIF is a million beginnings, of which Pillow takes one after another."""
    Image.new("RGB", (8, 8)).save(path, exif=b"Exif\0\0" * 1_000_000)


def jpeg_of_segments(path: Path, segments: int, length: int = 1) -> None:
    """Write a JPEG with EXIF in many segments, for which Pillow's time grows with the square of their number."""
    Image.new("RGB", (8, 8)).save(path)
    content = path.read_bytes()
    segment = b"\xff\xe1" + (8 + length).to_bytes(2, "big") + b"Exif\0\0" + bytes(length)
    path.write_bytes(content[:2] + segment * segments + content[2:])


def commented_gif(path: Path) -> None:
    """Write a GIF with a comment of 10 MB, for which Pillow's time grows with its square."""
    Image.new("P", (8, 8)).save(path)
    content = path.read_bytes()
    screen = 13 + (3 << (content[10] & 7) + 1 if content[10] & 0x80 else 0)
    comment = b"!\xfe" + (b"\xff" + bytes(255)) * 40_000 + b"\0"
    path.write_bytes(content[:screen] + comment + content[screen:])


def blank_xmp(path: Path, blanks: int) -> None:
    """Write a picture, in the format that the suffix names, whose XMP is blanks, then something, then a location."""
    location = b'<rdf:Description xmlns:exif="http://ns.adobe.com/exif/1.0/"%bexif:Flash="1" exif:GPSLatitude="48,8N"/>'
    with_xmp(path, XMP_HEAD + location % (b" " * blanks) + XMP_TAIL)


def with_xmp(path: Path, xmp: bytes) -> None:
    """Write a picture, in the format that the suffix names, with this XMP."""
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (8, 8, 3), dtype=np.uint8))
    if path.suffix != ".png":
        image.save(path, xmp=xmp)
        return
    plain = io.BytesIO()
    image.save(plain, "PNG")
    text = b"XML:com.adobe.xmp\0\0\0\0\0" + xmp
    path.write_bytes(plain.getvalue()[:33] + _chunk(b"iTXt", text) + plain.getvalue()[33:])


def eps(path: Path) -> None:
    """Write PostScript, for which Pillow's reader of all formats starts Ghostscript."""
    path.write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 4 2\n%%EndComments\nshowpage\n%%EOF\n")


def svg(path: Path) -> None:
    """Write a drawing, which libvips renders."""
    path.write_bytes(b'<svg xmlns="http://www.w3.org/2000/svg" width="4" height="2"><rect width="4" height="2"/></svg>')


def csv(path: Path) -> None:
    """Write a table, which libvips takes for a picture."""
    path.write_bytes(b"0,1,2,3\n4,5,6,7\n")


# Under the names that an attacker would give them; each is refused in one sentence by an app.
REFUSED: dict[str, Callable[[Path], None]] = {
    "apng.png": lying_apng,
    "frames.gif": lambda path: gif(path, 20_000),
    "thin.png": lambda path: thin_png(path, 30_000_000),
    "scans.jpg": lambda path: jpeg_of_scans(path, 1000),
    "pages.tif": lambda path: deep_tiff(path, 3000),
    "segments.jpg": lambda path: jpeg_of_segments(path, 1_000_000),
    "tags.tif": tags_of_the_whole,
    "tags.avif": exif_of_the_whole,
    "comment.gif": commented_gif,
    "eps.jpg": eps,
    "svg.jpg": svg,
    "csv.tif": csv,
}


def _png(chunks: list[tuple[bytes, bytes]]) -> bytes:
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, data) for kind, data in chunks)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
