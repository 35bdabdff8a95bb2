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
    """Print a table of the CPU and each GPU, with output megapixels per second and the defaults. Raises ModelError."""
    titles = ("device", "precision", "window", "MP/s", "name")
    for device, precision, window, speed, name in [titles, *_rows(config.model)]:
        say(f"{device:8}{precision:11}{window:>6}{speed:>9}  {name}".rstrip())


def _rows(model: str) -> Iterator[tuple[str, str, str, str, str]]:
    """Measure each row when it is asked for; a GPU that cannot run the model has no speed."""
    from upscaler.engines.choice import choose  # these bring NumPy and the engines, which --help does not need
    from upscaler.engines.devices import default_gpu, gpus
    from upscaler.engines.engine import candidates, usual
    from upscaler.engines.precision import GPU_PRECISION
    from upscaler.upscaler import Upscaler

    loaded = find.model_or_fast(model)
    chosen = choose(loaded)
    for choice in candidates(loaded):
        speed = f"{Upscaler(loaded, choice=choice).megapixels_per_second():.2f}"
        name = "default" if choice == chosen else ""
        yield "cpu", choice.precision, str(choice.window), speed, name
    for gpu in gpus():
        choice = usual(GPU_PRECISION)
        window = _SOFTWARE_WINDOW if gpu.software else choice.window
        try:
            speed = f"{Upscaler(loaded, window=window, gpu=gpu).megapixels_per_second():.2f}"
        except GpuError:
            speed = "-"
        taken = gpu == default_gpu() and choose(loaded, gpu) == choice
        notes = [gpu.name, "software on the CPU" if gpu.software else "", "taken by --device auto" if taken else ""]
        yield f"gpu:{gpu.number}", GPU_PRECISION, str(window), speed, ", ".join(filter(None, notes))
