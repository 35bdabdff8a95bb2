"""Generated pictures."""

import numpy as np
from numpy.typing import NDArray


def photo_like(height: int, width: int, seed: int = 0) -> NDArray[np.uint8]:
    """A generated HWC uint8 RGB picture with smooth shading, edges and texture."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width] / max(height, width)
    shading = 0.5 + 0.3 * np.sin(3 * x[..., None] + np.array([0.0, 1.0, 2.0])) * np.cos(4 * y[..., None])
    edges = 0.2 * ((x + y) * 7 % 1 > 0.5)[..., None]
    texture = rng.normal(0, 0.03, (height, width, 3))
    picture: NDArray[np.uint8] = (np.clip(shading + edges + texture, 0, 1) * 255).round().astype(np.uint8)
    return picture
