"""Generated pictures and models that tests of several stages use."""

from pathlib import Path

import numpy as np

from upscaler.model import artifact
from upscaler.model.architecture import Architecture, Weights
from upscaler.model.artifact import Member, ModelConfig
from upscaler.pixels import Pixels


def write_tiny_model(
    folder: Path, networks: int = 1, seed: int = 0, width: int = 4, jpeg_model: Path | None = None
) -> Path:
    """Write an artifact whose output is the mean of `networks` small random networks, and a model for JPEGs in it."""
    architecture = Architecture(width=width, depth=1)
    members = tuple(Member(name=str(n), parts=(f"train_{n:x}",), pictures=1, steps=1) for n in range(networks))
    config = ModelConfig(
        architecture=architecture, combination="outputs" if networks > 1 else "single", members=members
    )
    inside = artifact.read(jpeg_model) if jpeg_model else None
    artifact.write(folder, config, random_weights(architecture, networks, seed), {}, "# A model for tests\n", inside)
    return folder


def random_weights(architecture: Architecture, networks: int, seed: int) -> Weights:
    """Weights small enough that the result still resembles the picture."""
    rng = np.random.default_rng(seed)
    layers = list(architecture.layers)
    weights: Weights = {}
    for n in range(networks):
        for i, (inputs, outputs) in enumerate(layers):
            name = f"networks.{n}.layers.{i}"
            weights[f"{name}.weight"] = rng.normal(0, 0.1, (outputs, inputs, 3, 3)).astype(np.float32)
            weights[f"{name}.bias"] = rng.normal(0, 0.01, outputs).astype(np.float32)
            if i < len(layers) - 1:
                weights[f"{name}.slope"] = np.full(outputs, 0.2, np.float32)
    return weights


def photo_like(height: int, width: int, seed: int = 0) -> Pixels:
    """A generated HWC uint8 RGB picture with smooth shading, edges and texture."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width] / max(height, width)
    shading = 0.5 + 0.3 * np.sin(3 * x[..., None] + np.array([0.0, 1.0, 2.0])) * np.cos(4 * y[..., None])
    edges = 0.2 * ((x + y) * 7 % 1 > 0.5)[..., None]
    texture = rng.normal(0, 0.03, (height, width, 3))
    return (np.clip(shading + edges + texture, 0, 1) * 255).round().astype(np.uint8)
