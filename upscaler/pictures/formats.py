"""Supported picture formats and their capabilities."""

from dataclasses import dataclass
from enum import Enum
from importlib.util import find_spec
from pathlib import Path

from upscaler.errors import PictureError

_CALLED = {"WEBP": "WebP", "JPEG2000": "JPEG 2000", "HEIF": "HEIC"}  # by people, for those whose Pillow name is another
STANDARD_QUALITY = 95  # of lossy formats; only less than it makes a lossless WebP or AVIF lossy


class Sequence(Enum):
    """Kind of a file's frames: a single picture, an animation, or pages of a document."""

    SINGLE = "one picture"
    ANIMATION = "an animation"
    PAGES = "several pages"


@dataclass(frozen=True)
class Format:
    """A picture format, by Pillow's name; as text, what people call it.

    most_side, most_pixels: maximum pixels, a side and in all. deep: supports more than 8 bits per channel. gray:
    numbers of channels, transparency counted, for which it stores gray as such. profiled: holds a colour profile.
    holds: kinds of metadata that it has a place for. streamed: its encoder takes a single picture row by row.
    """

    name: str
    most_side: int
    sequence: Sequence = Sequence.SINGLE
    transparent: bool = False
    deep: bool = False
    gray: tuple[int, ...] = (1, 2)
    profiled: bool = True
    holds: tuple[str, ...] = ("EXIF", "XMP")
    streamed: bool = False
    most_pixels: int = 2**62

    def __str__(self) -> str:
        return called(self.name)


def called(name: str) -> str:
    """Return what people call a format of Pillow."""
    return _CALLED.get(name, name)


_CREDITED = ("EXIF", "XMP", "IPTC")

JPEG = Format(
    "JPEG", 65_500, holds=(*_CREDITED, "comment"), streamed=True
)  # 65,535 in the standard; libjpeg stops here
PNG = Format(
    "PNG", 2**31 - 1, Sequence.ANIMATION, transparent=True, deep=True, holds=(*_CREDITED, "texts"), streamed=True
)
WEBP = Format("WEBP", 16_383, Sequence.ANIMATION, transparent=True, gray=())
TIFF = Format("TIFF", 2**31 - 1, Sequence.PAGES, transparent=True, deep=True, holds=_CREDITED, streamed=True)
BMP = Format("BMP", 2**31 - 1, profiled=False, holds=())
GIF = Format("GIF", 65_535, Sequence.ANIMATION, transparent=True, profiled=False, holds=("comment",))
# 65,536 a side in AV1; libavif, by which Pillow and browsers read it, stops at these
AVIF = Format("AVIF", 32_768, Sequence.ANIMATION, transparent=True, deep=True, gray=(1,), most_pixels=2**28)
JPEG_2000 = Format("JPEG2000", 2**31 - 1, transparent=True)
HEIF = Format("HEIF", 16_384, transparent=True, gray=(1,))

BY_SUFFIX = {
    ".jpg": JPEG,
    ".jpeg": JPEG,
    ".jfif": JPEG,
    ".jpe": JPEG,
    ".jfi": JPEG,
    ".png": PNG,
    ".apng": PNG,
    ".webp": WEBP,
    ".tif": TIFF,
    ".tiff": TIFF,
    ".bmp": BMP,
    ".gif": GIF,
    ".avif": AVIF,
    ".jp2": JPEG_2000,
    ".jpx": JPEG_2000,
    ".jpf": JPEG_2000,
    ".j2k": JPEG_2000,
    ".j2c": JPEG_2000,
    ".jpc": JPEG_2000,
}

if find_spec("pillow_heif"):  # the extra "heic"; opening.py registers it with Pillow
    BY_SUFFIX |= {".heic": HEIF, ".heif": HEIF}


# Each format's usual suffix, by Pillow's name
SUFFIXES = {format.name: suffix for suffix, format in reversed(BY_SUFFIX.items())}
SUFFIXES["MPO"] = SUFFIXES[JPEG.name]  # a camera's JPEG with a preview behind the picture


def format_of(path: Path) -> Format:
    """Return the format for a file's suffix. Raises PictureError if no supported format has it."""
    if found := BY_SUFFIX.get(path.suffix.lower()):
        return found
    raise PictureError(unknown_suffix(str(path)))


def unknown_suffix(name: str) -> str:
    """Return the sentence on a name without the suffix of a supported format."""
    known = ", ".join(suffix[1:] for suffix in BY_SUFFIX)
    return f"{name} has no suffix of a supported format; choose one of {known}"


def check_room(target: Path, width: int, height: int, sequence: Sequence) -> None:
    """Raise PictureError if the format of `target` does not support this size or kind of sequence."""
    format = format_of(target)
    if (side := max(width, height)) > format.most_side:
        instead = "choose PNG or TIFF" if side <= PNG.most_side else "make it smaller"
        raise PictureError(
            f"{target.name} would have {width}x{height} pixels, but {format} allows at most {format.most_side} "
            f"a side; {instead}"
        )
    if width * height > format.most_pixels:
        raise PictureError(
            f"{target.name} would have {width}x{height} pixels, but {format} allows at most "
            f"{format.most_pixels / 1e6:.0f} megapixels; choose PNG or TIFF"
        )
    if sequence not in (Sequence.SINGLE, format.sequence):
        instead = "TIFF" if sequence is Sequence.PAGES else "WebP, PNG or GIF"
        raise PictureError(
            f"{target.name} would be {sequence.value}, which {format} does not support; choose {instead}"
        )
