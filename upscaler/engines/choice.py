"""Choice of precision and windows: the fastest candidate, measured once and kept in the user's cache.

What is kept holds for a processor, its number of cores, a network's size and the versions of the engines.
"""

import hashlib
import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

from upscaler import json_files
from upscaler.atomic import write_text
from upscaler.engines import probe, processor
from upscaler.engines.cores import cores
from upscaler.engines.devices import Device, Gpu, gpu_for, number_of
from upscaler.engines.engine import candidates, usual
from upscaler.engines.precision import GPU_PRECISION, Choice, Precision
from upscaler.json_files import JsonError
from upscaler.model.artifact import Artifact
from upscaler.user_cache import user_cache
from upscaler.version import installed

Measure = Callable[[Artifact, Sequence[Choice], Gpu | None], Sequence[float]]

# How many times as fast another candidate must be: noise, 6 % on a busy machine, must not decide, and a little more
# speed is not worth the loss of int8
_OTHER_PRECISION, _OTHER_WINDOW = 1.2, 1.1
_FOLDER = "choices"  # in the user's cache
_MAX_BYTES = 1000  # of a kept choice, which has 40


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
    path = _path(model, among, gpu)
    found = _kept(path, among)
    if found is None:
        found = fastest(among, measure(model, among, gpu))
        _keep(path, found)
    return found


def fastest(among: Sequence[Choice], costs: Sequence[float]) -> Choice:
    """Return the first candidate, or a later one that costs clearly less. costs: in the order of the candidates."""
    best, least = among[0], costs[0]
    for other, cost in zip(among[1:], costs[1:], strict=True):
        margin = _OTHER_WINDOW if other.precision == best.precision else _OTHER_PRECISION
        if margin * cost <= least:
            best, least = other, cost
    return best


def _path(model: Artifact, among: Sequence[Choice], gpu: Gpu | None) -> Path | None:
    """Return the file for all that the choice depends on; None if the user has no home."""
    config = model.config
    machine = [processor.identity(), cores(), gpu.name if gpu else ""]
    network = [str(config.architecture), config.networks, *map(asdict, among)]
    versions = [installed(), installed("ncnn"), installed("openvino")]
    key = hashlib.sha256(json.dumps([machine, network, versions]).encode()).hexdigest()
    with suppress(RuntimeError):
        return user_cache() / _FOLDER / f"{key}.json"
    return None


def _kept(path: Path | None, among: Sequence[Choice]) -> Choice | None:
    """Read a kept choice; None if there is none, or the file holds anything else than one of the candidates."""
    with suppress(OSError, JsonError):
        if path and path.is_file():
            found = json_files.load(path, Choice, _MAX_BYTES)
            return found if found in among else None
    return None


def _keep(path: Path | None, choice: Choice) -> None:
    """Write a choice, if the folder permits it; otherwise the next start measures again."""
    with suppress(OSError):
        if path:
            write_text(path, json.dumps(asdict(choice)) + "\n")
