"""Augmentation: each technique applies to half of the samples, with a random strength for each sample."""

import hashlib

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torchvision.transforms.v2 import functional as transforms  # type: ignore[import-untyped]

from feature_pipeline.compression import compressed
from feature_pipeline.manifest import Box, Draw
from feature_pipeline.tiles import SIZE, TilePair, cut_pair
from upscaler.bicubic import halve
from upscaler.pixels import Pixels

PROBABILITY = 0.5
NOISE = (0.0, 0.1)  # standard deviation, as a share of full scale
SHIFT = (0.0, 0.1)  # of the hue, as a share of the colour circle, and of gamma
SCALE = (0.5, 1.5)
QUALITY = (60, 95)  # of a JPEG


def augmented(picture: Pixels, pair: TilePair, seed: str) -> tuple[TilePair, Draw]:
    """Augment a tile pair of a picture; return it with the techniques, drawn from `seed`."""
    rng = np.random.default_rng(int.from_bytes(hashlib.sha256(seed.encode()).digest()[:8]))
    drawn = draw(rng, smallest_scale=SIZE / min(picture.shape[:2]))
    return apply(drawn, picture, pair, noise_seed=int(rng.integers(1 << 62))), drawn


def draw(rng: np.random.Generator, smallest_scale: float = 0.0) -> Draw:
    """Draw a sample's techniques. smallest_scale: the scale at which the picture still holds one tile."""
    scale, shift, noise, quality = rng.random(4) < PROBABILITY
    return Draw(
        scale=float(rng.uniform(max(SCALE[0], smallest_scale), SCALE[1])) if scale else None,
        shift=float(rng.choice([-1, 1]) * rng.uniform(*SHIFT)) if shift else None,
        noise=float(rng.uniform(*NOISE)) if noise else None,
        quality=int(rng.integers(QUALITY[0], QUALITY[1] + 1)) if quality else None,
    )


def apply(drawn: Draw, picture: Pixels, pair: TilePair, noise_seed: int) -> TilePair:
    """Apply the techniques: scale and shift to both tiles, noise and JPEG compression to the LR tile only."""
    if drawn.scale is not None:
        pair = _scaled(picture, pair.box, drawn.scale)
    lr, hr = _to_tensor(pair.lr), _to_tensor(pair.hr)
    if drawn.shift is not None:
        lr, hr = _shifted(lr, drawn.shift), _shifted(hr, drawn.shift)
    if drawn.noise is not None:
        lr = _noisy(lr, drawn.noise, noise_seed)
    if drawn.quality is not None:
        lr = _to_tensor(compressed(_to_pixels(lr), drawn.quality))
    return TilePair(pair.box, _to_pixels(lr), _to_pixels(hr))


def _scaled(picture: Pixels, box: Box, scale: float) -> TilePair:
    height, width = (max(round(side * scale), SIZE) for side in picture.shape[:2])
    scaled = np.asarray(Image.fromarray(picture).resize((width, height), Image.Resampling.BICUBIC))
    left = _start((box[0] + box[2]) / 2 * scale, width)
    top = _start((box[1] + box[3]) / 2 * scale, height)
    return cut_pair(scaled, halve(scaled), (left, top, left + SIZE, top + SIZE))


def _start(centre: float, side: int) -> int:
    """Return the even start coordinate of a tile around `centre` that lies within the picture."""
    return min(max(round(centre) - SIZE // 2, 0), side - SIZE) // 2 * 2


def _shifted(image: Tensor, shift: float) -> Tensor:
    shifted: Tensor = transforms.adjust_gamma(transforms.adjust_hue(image, shift), 1 + shift)
    return shifted


def _noisy(image: Tensor, sigma: float, seed: int) -> Tensor:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        noisy = transforms.gaussian_noise(transforms.to_dtype(image, torch.float32, scale=True), sigma=sigma)
    result: Tensor = transforms.to_dtype(noisy, torch.uint8, scale=True)
    return result


def _to_tensor(pixels: Pixels) -> Tensor:
    return torch.from_numpy(pixels.copy()).permute(2, 0, 1)  # CHW uint8


def _to_pixels(image: Tensor) -> Pixels:
    return np.ascontiguousarray(image.permute(1, 2, 0).numpy())
