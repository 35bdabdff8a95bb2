"""Price of upscaling a file, estimated before work starts: runs of the network, wall-clock time and memory."""

from collections.abc import Iterator

from upscaler.errors import LimitError
from upscaler.limits import Limits, duration, exceeds
from upscaler.model.architecture import SCALE
from upscaler.orientations import Orientation
from upscaler.pictures import budget
from upscaler.pictures.formats import Format
from upscaler.pictures.header import Header
from upscaler.upscaler import Upscaler

_WORTH_MEASURING = 200  # windows; fewer take seconds on any machine, and so does the measurement


def count_windows(upscaler: Upscaler, header: Header, times: int, flips: bool) -> int:
    """Count the runs of the network for a file: windows of all frames, orientations, alpha planes and x2 passes."""
    return sum(often * upscaler.count_windows(*size) for size, often in _passes(header, times, flips))


def seconds(upscaler: Upscaler, header: Header, times: int, flips: bool) -> float:
    """Return the wall-clock seconds that the network needs for a file. The first files trigger a benchmark."""
    passes = _passes(header, times, flips)
    return sum(often * upscaler.seconds_for(*size, jpeg=header.jpeg) for size, often in passes)


def memory(upscaler: Upscaler, header: Header, format: Format, times: int) -> int:
    """Estimate the peak memory in bytes that a file takes beside the loaded model."""
    windows = max(upscaler.memory_for(*size) for size, _ in _passes(header, times, flips=False))
    return windows + budget.peak_memory(header, format, times)


def _passes(header: Header, times: int, flips: bool) -> Iterator[tuple[tuple[int, int], int]]:
    """Yield the height and width of each picture that is upscaled, and how often one of that size is."""
    for page, frames in header.kinds.items():
        planes = 2 if page.channels in (2, 4) else 1
        for scale in (SCALE**n for n in range(times)):
            often = frames * planes * (len(Orientation) if flips else 1)
            yield (scale * page.height, scale * page.width), often


def check_price(upscaler: Upscaler, header: Header, times: int, flips: bool, limits: Limits) -> None:
    """Raise LimitError if a file exceeds `limits`. The first large files trigger a benchmark of the upscaler."""
    size = f"{header.width}x{header.height} pixels{header.counted}"
    if exceeds(header.pixels, limits.pixels):
        raise LimitError(
            f"{header.path} has {size}, more than the limit of {(limits.pixels or 0) / 1e6:g} megapixels; "
            "make it smaller or raise --max-pixels"
        )
    if exceeds(header.frames, limits.frames):
        raise LimitError(f"{header.path} has {size}, more than the limit of {limits.frames:,}; split it")
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
