"""Choice of precision and windows: the fastest candidate, measured once and kept in the user's cache.

What is kept holds for a processor, its number of cores, a network's size and the versions of the engines.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict

from upscaler.engines import probe, processor
from upscaler.engines.cores import cores
from upscaler.engines.devices import Device, Gpu, gpu_for, number_of
from upscaler.engines.engine import candidates, usual
from upscaler.engines.precision import GPU_PRECISION, Choice, Precision
from upscaler.kept import kept
from upscaler.model.artifact import Artifact
from upscaler.version import installed

Measure = Callable[[Artifact, Sequence[Choice], Gpu | None], Sequence[float]]

# How many times as fast another candidate must be: noise, 6 % on a busy machine, must not decide, and a little more
# speed is not worth the loss of int8
_OTHER_PRECISION, _OTHER_WINDOW = 1.2, 1.1
_FOLDER = "choices"  # in the user's cache


def choose_on(
    device: Device, model: Artifact, precision: Precision | None = None, measure: Measure = probe.measure
) -> Choice:
    """Return the choice for a device: the precision if given, that of a GPU if named, else the fastest.

    Raises OptionError if there is no such device, and ModelError if the model cannot be run.
    """
    if given := precision or (GPU_PRECISION if number_of(device) is not None else None):
        return usual(given)
    return choose(model, gpu_for(device), measure)


def gpu_of(choice: Choice, device: Device) -> Gpu | None:
    """Return the GPU that runs a choice for a device; None for the CPU. Raises OptionError if there is no such GPU."""
    return gpu_for(device) if choice.precision == GPU_PRECISION else None


def choose(model: Artifact, gpu: Gpu | None = None, measure: Measure = probe.measure) -> Choice:
    """Return the fastest choice for a model, measured if none is kept. gpu: a further candidate.

    Raises ModelError if the model cannot be run.
    """
    among = candidates(model, gpu)
    if len(among) == 1:
        return among[0]
    return kept(_FOLDER, _basis(model, among, gpu), among, lambda: fastest(among, measure(model, among, gpu)))


def fastest(among: Sequence[Choice], costs: Sequence[float]) -> Choice:
    """Return the first candidate, or a later one that costs clearly less. costs: in the order of the candidates."""
    best, least = among[0], costs[0]
    for other, cost in zip(among[1:], costs[1:], strict=True):
        margin = _OTHER_WINDOW if other.precision == best.precision else _OTHER_PRECISION
        if margin * cost <= least:
            best, least = other, cost
    return best


def _basis(model: Artifact, among: Sequence[Choice], gpu: Gpu | None) -> list[object]:
    """Return all that the choice depends on."""
    config = model.config
    machine = [processor.identity(), cores(), gpu.name if gpu else ""]
    network = [str(config.architecture), config.networks, *map(asdict, among)]
    versions = [installed(), installed("ncnn"), installed("openvino")]
    return [machine, network, versions]
