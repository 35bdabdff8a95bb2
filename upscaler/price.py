"""Price of upscaling a file, estimated before work starts: runs of the network, time and memory."""

from collections import defaultdict
from collections.abc import Iterator
from typing import NamedTuple

from upscaler.errors import LimitError
from upscaler.limits import Limits, check_pixel_limit, duration, exceeds
from upscaler.model.architecture import SCALE
from upscaler.orientations import Orientation
from upscaler.pictures import budget
from upscaler.pictures.formats import Format
from upscaler.pictures.header import Header
from upscaler.upscaler import Upscaler

_WORTH_MEASURING = 200  # windows; fewer take seconds on any machine, and so does the measurement


class _Pass(NamedTuple):
    """Upscaling of pictures of one size by one network. often: how many pictures, alpha planes and orientations."""

    height: int
    width: int
    jpeg: bool
    often: int


def count_windows(upscaler: Upscaler, header: Header, times: int, flips: bool) -> int:
    """Count the runs of the network for a file: windows of all frames, orientations, alpha planes and x2 passes."""
    return sum(one.often * upscaler.count_windows(one.height, one.width) for one in _passes(header, times, flips))


def seconds(upscaler: Upscaler, header: Header, times: int, flips: bool) -> float:
    """Return the seconds that the network needs for a file, without waits. The first files trigger a benchmark."""
    passes = _passes(header, times, flips)
    return sum(one.often * upscaler.seconds_for(one.height, one.width, jpeg=one.jpeg) for one in passes)


def memory(upscaler: Upscaler, header: Header, format: Format, times: int, flips: bool) -> int:
    """Estimate the peak memory in bytes that a file takes beside the loaded model."""
    sizes: defaultdict[bool, set[tuple[int, int]]] = defaultdict(set)  # for each network, which keeps what it took
    for one in _passes(header, times, flips):
        network = one.jpeg and upscaler.model.jpeg_model is not None
        sizes[network] |= {(one.height, one.width)} | ({(one.width, one.height)} if flips else set())
    return sum(map(upscaler.memory_for, sizes.values())) + budget.peak_memory(header, format, times)


def _passes(header: Header, times: int, flips: bool) -> Iterator[_Pass]:
    """Yield the x2 passes of the pictures of each size; only the first is of a JPEG."""
    for page, frames in header.kinds.items():
        planes = 2 if page.channels in (2, 4) else 1
        often = frames * planes * (len(Orientation) if flips else 1)
        for n in range(times):
            yield _Pass(SCALE**n * page.height, SCALE**n * page.width, header.jpeg and n == 0, often)


def check_price(upscaler: Upscaler, header: Header, times: int, flips: bool, limits: Limits) -> None:
    """Raise LimitError if a file exceeds `limits`. The first large files trigger a benchmark of the upscaler."""
    size = f"{header.width}x{header.height} pixels{header.counted}"
    check_pixel_limit(header.pixels, size, header.path, limits)
    windows = count_windows(upscaler, header, times, flips)
    if exceeds(windows, limits.windows):
        raise LimitError(
            f"{header.path} has {size}, which take {windows:,} runs of the network, more than the limit of "
            f"{limits.windows:,}; make it smaller, or upscale without flips or only once"
        )
    if limits.seconds is not None and windows > _WORTH_MEASURING:
        foreseen = seconds(upscaler, header, times, flips)
        if exceeds(foreseen, limits.seconds):
            raise LimitError(
                f"{header.path} would take about {duration(foreseen)}, more than the limit of "
                f"{duration(limits.seconds)}; make it smaller, or choose a faster model"
            )
