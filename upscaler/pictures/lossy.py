"""Detection of lossy compression from a file's headers."""

from pathlib import Path

from PIL import Image

MOST_QUALITY = 95  # of JPEGs for the JPEG network; above, that of `fast`, the default model, loses 0.13 dB or more

_TABLE = 3688  # sum of the example luma table of the standard (ITU-T T.81, table K.1), which libjpeg scales by quality
_NCLX, _MATRIX = (
    b"colrnclx",
    12,
)  # the box of an AVIF that says how colours are held, and the offset of the matrix in it
_LONGEST_START = 100_000  # bytes; boxes with large contents come after


def is_lossy(image: Image.Image, path: Path) -> bool:
    """Return True for a JPEG of quality 95 or less, or a lossy WebP, whose quality is unknown."""
    if image.format == "WEBP":
        return _is_lossy_webp(path)
    quality = jpeg_quality(image)
    return quality is not None and quality <= MOST_QUALITY


def jpeg_quality(image: Image.Image) -> int | None:
    """Estimate the quality of an opened JPEG on libjpeg's scale, 1 to 100; None for another format.

    For encoders with other tables, it is the libjpeg quality with the same mean quantisation step. Below 25, where
    table entries are clipped, the estimate is too high.
    """
    tables = getattr(image, "quantization", None)
    if not tables:
        return None
    percent: float = 100 * sum(tables[min(tables)]) / _TABLE
    return min(100, max(1, round((200 - percent) / 2 if percent <= 100 else 5000 / percent)))


def is_lossless(image: Image.Image, path: Path) -> bool:
    """Return True for a WebP, AVIF or JPEG 2000 without losses, in all frames of a WebP."""
    if image.format == "WEBP":
        return not _is_lossy_webp(path)
    if image.format == "JPEG2000":
        return bool(image.info["reversible"])
    return image.format == "AVIF" and _holds_rgb(path)


def _is_lossy_webp(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(12)  # after the RIFF header
        while len(head := file.read(8)) == 8:
            kind, length = head[:4], int.from_bytes(head[4:], "little")
            if kind == b"VP8 ":
                return True
            frame_header = 16  # an ANMF chunk has its own VP8 chunk after it
            file.seek(frame_header if kind == b"ANMF" else length + length % 2, 1)
    return False


def _holds_rgb(path: Path) -> bool:
    """Return True if an AVIF holds its colours as they are, as encoders write it only to lose nothing."""
    with path.open("rb") as file:
        start = file.read(_LONGEST_START)
    place = start.find(_NCLX)
    return place >= 0 and start[place + _MATRIX : place + _MATRIX + 2] == b"\0\0"
