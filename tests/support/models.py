"""Small networks with random weights, as artifacts."""

from pathlib import Path

import numpy as np

from upscaler.model import artifact
from upscaler.model.architecture import (
    ACTIVATION_LEVELS,
    KERNEL_LEVEL,
    Architecture,
    Block,
    Layer,
    Weights,
    arrays_of,
    layers_of,
)
from upscaler.model.artifact import Member, ModelConfig
from upscaler.model.learned import Learned

TINY = Architecture(width=4, depth=1)


def write_tiny_model(
    folder: Path,
    networks: int = 1,
    seed: int = 0,
    width: int = TINY.width,
    jpeg_model: Path | None = None,
    block: Block = TINY.block,
    learned: Learned | None = None,
    int8: bool = False,
) -> Path:
    """Write an artifact whose output is the mean of `networks` small random networks, and a model for JPEGs in it."""
    architecture = Architecture(width=width, depth=TINY.depth, block=block)
    members = tuple(Member(name=str(n), parts=(f"train_{n:x}",), pictures=1, steps=1) for n in range(networks))
    config = ModelConfig(
        architecture=architecture, combination="outputs" if networks > 1 else "single", members=members
    )
    inside = artifact.read(jpeg_model) if jpeg_model else None
    weights = random_weights(architecture, networks, seed)
    rounded = in_int8(architecture, weights, networks) if int8 else None
    artifact.write(folder, config, weights, {}, "# A model for tests\n", inside, learned, rounded)
    return folder


def write_run(
    folder: Path,
    seed: int,
    ancestor: str | None = None,
    width: int = TINY.width,
    weights: Weights | None = None,
    learned: Learned | None = None,
) -> Path:
    """Write the artifact of a training run: one small network, random unless `weights` are given."""
    architecture = Architecture(width=width, depth=TINY.depth)
    member = Member(name=folder.name, parts=(f"train_{seed:x}",), pictures=10, steps=20, ancestor=ancestor)
    config = ModelConfig(architecture=architecture, combination="single", members=(member,))
    artifact.write(folder, config, weights or random_weights(architecture, 1, seed), {}, "", learned=learned)
    return folder


def random_weights(architecture: Architecture, networks: int, seed: int) -> Weights:
    """Weights small enough that the result still resembles the picture."""
    rng = np.random.default_rng(seed)
    means = {"slope": 0.2, "offset": 1.0}
    spreads = {"weight": 0.1, "bias": 0.01, "slope": 0.0, "gain": 0.3, "offset": 0.1}
    weights: Weights = {}
    for name, shape in architecture.shapes(networks).items():
        kind = name.rpartition(".")[-1]
        weights[name] = rng.normal(means.get(kind, 0), spreads[kind], shape).astype(np.float32)
    return weights


def in_int8(architecture: Architecture, weights: Weights, networks: int) -> Weights:
    """Round networks to int8; activations of `random_weights` stay between -1.5 and 1.5."""
    rounded: Weights = {}
    for network in range(networks):
        head, *trunk, tail = layers_of(weights, network)
        rounded |= arrays_of([head, *map(_rounded, trunk), tail], network)
    assert rounded.keys() == architecture.layout(networks, int8=True).keys()
    return rounded


def _rounded(layer: Layer) -> Layer:
    scale = np.abs(layer.kernel).max(axis=(1, 2, 3)) / KERNEL_LEVEL
    return layer._replace(
        kernel=np.round(layer.kernel / scale[:, None, None, None]).astype(np.int8),
        scale=scale,
        step=np.array([3 / (ACTIVATION_LEVELS - 1)], np.float32),
        zero=np.array([ACTIVATION_LEVELS // 2], np.uint8),
    )
