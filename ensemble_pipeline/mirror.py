"""Networks beside their mirror images: what one gets wrong because of where it looks from, the mean does not."""

import numpy as np
from numpy.typing import NDArray

from upscaler.architecture import COLOURS, SCALE, Weights
from upscaler.artifact import ModelConfig


def with_mirror_images(config: ModelConfig, weights: Weights) -> tuple[ModelConfig, Weights]:
    """The model whose output is the mean of this one's, of the picture and of the mirrored picture mirrored back."""
    last = config.architecture.depth + 1
    images = {
        f"networks.{config.networks + int(n)}.{rest}": _mirrored(array, rest.startswith(f"layers.{last}."))
        for key, array in weights.items()
        for _, n, rest in [key.split(".", maxsplit=2)]
    }
    return config.model_copy(update={"mirrored": True}), weights | images


def _mirrored(array: NDArray[np.float32], is_last: bool) -> NDArray[np.float32]:
    """A kernel (OIkk) or the values of channels (O), so that the mirrored picture comes out as the picture did."""
    if array.ndim > 1:
        array = array[..., ::-1]
    if is_last:  # whose channels are 2x2 pixels
        array = array.reshape(COLOURS, SCALE, SCALE, *array.shape[1:])[:, :, ::-1].reshape(array.shape)
    return np.ascontiguousarray(array)
