"""Command that measures the devices of this machine: double-resolution devices."""

from collections.abc import Iterator
from dataclasses import dataclass

from upscaler.errors import GpuError
from upscaler.model import find
from upscaler.options import option
from upscaler.streams import say

_SOFTWARE_WINDOW = 32  # one of 256 takes 10 s


@dataclass(frozen=True, kw_only=True)
class DevicesConfig:
    """Model to measure devices with."""

    model: str = option(find.NAMES, default_factory=find.wanted)


def show(config: DevicesConfig) -> None:
    """Print a table of the CPU and each GPU, with the output megapixels per second. Raises ModelError."""
    for device, precision, speed, name in [("device", "precision", "MP/s", "name"), *_rows(config.model)]:
        say(f"{device:8}{precision:11}{speed:>7}  {name}")


def _rows(model: str) -> Iterator[tuple[str, str, str, str]]:
    """Measure each device when its row is asked for; one that cannot run the model has no speed."""
    from upscaler.engines.devices import gpus  # these bring NumPy and the engines, which --help does not need
    from upscaler.engines.precision import GPU_PRECISION
    from upscaler.upscaler import Upscaler

    loaded = find.model_or_fast(model)
    cpu = Upscaler(loaded)
    yield "cpu", cpu.precision, f"{cpu.megapixels_per_second():.2f}", ""
    for gpu in gpus():
        window = _SOFTWARE_WINDOW if gpu.software else None
        try:
            speed = f"{Upscaler(loaded, window=window, gpu=gpu).megapixels_per_second():.2f}"
        except GpuError:
            speed = "-"
        yield f"gpu:{gpu.number}", GPU_PRECISION, speed, f"{gpu.name}{', software on the CPU' if gpu.software else ''}"
