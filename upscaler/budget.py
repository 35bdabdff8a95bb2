"""Memory: what doubling a picture needs, known before it is decoded, and what the machine has left.

On a CPU running out of memory is no exception but a killed process, so it is asked beforehand.
"""

from pathlib import Path

import psutil

from upscaler.architecture import SCALE
from upscaler.errors import PictureError
from upscaler.reading import Header

_ENGINE = 400_000_000  # bytes: libraries, the compiled network and its windows
_ENCODED = 4  # bytes a pixel that an encoder keeps beside the pixels themselves
_CGROUP = Path("/sys/fs/cgroup")


def check_memory(header: Header, times: int, budget: int | None) -> None:
    """Raise PictureError if doubling would take more bytes than `budget` (None: half of what is left)."""
    allowed = left() // 2 if budget is None else budget
    if (needed := need(header, times)) > allowed:
        raise PictureError(
            f"{header.path} has {header.width}x{header.height} pixels{header.counted}, and to double it takes "
            f"{needed / 1e9:.1f} GB of memory where {allowed / 1e9:.1f} GB may be used; make it smaller or free memory"
        )


def need(header: Header, times: int) -> int:
    """Bytes at the peak: the last picture before doubling, all that is doubled, and the encoder's share."""
    bytes_a_pixel = header.channels * header.depth // 8
    before = header.pixels // header.frames * SCALE ** (2 * (times - 1))
    after = header.pixels * SCALE ** (2 * times)
    needed: int = _ENGINE + (before + after) * (bytes_a_pixel + _ENCODED)
    return needed


def left() -> int:
    """Bytes of memory that the machine, or the control group that the process runs in, has left."""
    available: int = psutil.virtual_memory().available
    return min([available, *_cgroup_left()])


def _cgroup_left() -> list[int]:
    try:
        limit = (_CGROUP / "memory.max").read_text().strip()
        used = int((_CGROUP / "memory.current").read_text())
    except OSError:  # no control groups, or of version 1
        return []
    return [] if limit == "max" else [int(limit) - used]
