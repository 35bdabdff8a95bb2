"""How strongly JPEG compressed a picture, as its file says."""

from PIL import Image

# The sum of the luma table that the standard proposes (ITU-T T.81, table K.1), which qualities are multiples of
_TABLE = 3688

DAMAGED = 96  # up to this quality what JPEG leaves is better doubled by a network that knows its traces, measured


def is_damaged(quality: int | None) -> bool:
    """Whether a picture that was compressed at a quality of 1 to 100 (None: that was not) bears traces of it."""
    return quality is not None and quality <= DAMAGED


def quality(image: Image.Image) -> int | None:
    """The quality, 1 to 100, at which an opened JPEG was compressed, as libjpeg counts it; None of another format.

    Programs that count otherwise get the quality at which libjpeg would round as coarsely, in the mean over all
    frequencies. Below 25, where a table cannot hold what it should, it comes out too high.
    """
    tables = getattr(image, "quantization", None)
    if not tables:
        return None
    percent: float = 100 * sum(tables[min(tables)]) / _TABLE
    return min(100, max(1, round((200 - percent) / 2 if percent <= 100 else 5000 / percent)))
