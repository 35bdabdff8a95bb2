"""Whether a picture bears the traces of lossy compression, as its file says."""

from pathlib import Path

from PIL import Image

MOST_QUALITY = 97  # of JPEGs whose traces a network that knows them doubles better than one that does not, measured

# The sum of the luma table that the standard proposes (ITU-T T.81, table K.1), which qualities are multiples of
_TABLE = 3688


def is_lossy(image: Image.Image, path: Path) -> bool:
    """Whether an opened file is a JPEG of quality 97 or less, or a lossy WebP, whose quality cannot be told."""
    if image.format == "WEBP":
        return _is_lossy_webp(path)
    quality = jpeg_quality(image)
    return quality is not None and quality <= MOST_QUALITY


def jpeg_quality(image: Image.Image) -> int | None:
    """The quality, 1 to 100, at which an opened JPEG was compressed, as libjpeg counts it; None of another format.

    Programs that count otherwise get the quality at which libjpeg would round as coarsely, in the mean over all
    frequencies. Below 25, where a table cannot hold what it should, it comes out too high.
    """
    tables = getattr(image, "quantization", None)
    if not tables:
        return None
    percent: float = 100 * sum(tables[min(tables)]) / _TABLE
    return min(100, max(1, round((200 - percent) / 2 if percent <= 100 else 5000 / percent)))


def _is_lossy_webp(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(12)  # behind the signature
        while len(head := file.read(8)) == 8:
            kind, length = head[:4], int.from_bytes(head[4:], "little")
            if kind in (b"VP8 ", b"VP8L"):
                return kind == b"VP8 "
            inside_frame = 16  # from where it has such parts itself
            file.seek(inside_frame if kind == b"ANMF" else length + length % 2, 1)
    return False
