"""Output averaging, weight averaging, and self-ensemble over the horizontal flip."""

from collections.abc import Iterable, Sequence
from typing import Literal

import numpy as np

from ensemble_pipeline.members import config_for, within_bounds, without_warm_start
from upscaler.model.architecture import COLOURS, SCALE, Array, Layer, Weights, arrays_of, layers_of
from upscaler.model.artifact import Artifact, ModelConfig


def averaged(members: Sequence[Artifact], how: Literal["outputs", "weights"]) -> tuple[ModelConfig, Weights]:
    """Return the model with the members' averaged outputs or averaged weights."""
    weights = [member.weights() for member in members]
    if how == "outputs":
        return config_for(members, how, members[0].config.architecture), side_by_side(weights)
    return config_for(without_warm_start(members), how, members[0].config.architecture), mean_weights(weights)


def side_by_side(members: Sequence[Weights]) -> Weights:
    """Number the networks of all members, for output averaging."""
    numbered = (arrays_of(layers_of(weights), n) for n, weights in enumerate(members))
    return {name: array for arrays in numbered for name, array in arrays.items()}


def mean_weights(members: Sequence[Weights]) -> Weights:
    """Average each array over the members, in float64."""
    return {
        key: np.stack([weights[key] for weights in members]).mean(axis=0, dtype=np.float64).astype(np.float32)
        for key in members[0]
    }


def single(model: Artifact, n: int) -> tuple[ModelConfig, Weights]:
    """Take network `n` of an ensemble as a model of one network."""
    config = model.config.model_copy(
        update={"combination": "single", "mirrored": False, "members": (model.config.members[n],)}
    )
    return config, arrays_of(layers_of(model.weights(), n))


def with_mirror_images(config: ModelConfig, weights: Weights) -> tuple[ModelConfig, Weights]:
    """Add each network's mirror image: the self-ensemble over the horizontal flip, stored in the weights.

    Raises EnsembleError if they are too large together.
    """
    images = {
        name: array
        for n in range(config.networks)
        for name, array in arrays_of(_mirrored(layers_of(weights, n)), config.networks + n).items()
    }
    return within_bounds(config.model_dump() | {"mirrored": True}), weights | images


def _mirrored(layers: Iterable[Layer]) -> list[Layer]:
    """Mirror a network, so that it treats a mirrored picture as the network treats the picture."""
    *first, tail = (layer._replace(kernel=np.ascontiguousarray(layer.kernel[..., ::-1])) for layer in layers)
    return [*first, Layer(_with_mirrored_pixels(tail.kernel), _with_mirrored_pixels(tail.bias))]


def _with_mirrored_pixels(array: Array) -> Array:
    """Mirror the 2x2 pixels in the channels of the last layer."""
    pixels = array.reshape(COLOURS, SCALE, SCALE, *array.shape[1:])
    return np.ascontiguousarray(pixels[:, :, ::-1].reshape(array.shape))
