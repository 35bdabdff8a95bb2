"""Augmentation: each technique applies to half of the samples, with a random strength for each sample."""

from dataclasses import replace

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torchvision.transforms.v2 import functional as transforms  # type: ignore[import-untyped]

from feature_pipeline.compression import compressed
from feature_pipeline.manifest import Box, Draw
from feature_pipeline.tiles import SIZE, TilePair, cut_pair, generator, rejection
from upscaler.bicubic import halve
from upscaler.pixels import Pixels

MARGIN = 4  # HR pixels around a tile; the downscaling filter reaches 3 of them
PROBABILITY = 0.5
NOISE = (0.0, 0.1)  # standard deviation, as a share of full scale
SHIFT = (0.0, 0.1)  # of the hue, as a share of the colour circle, and of gamma
SCALE = (0.5, 1.5)
QUALITY = (60, 95)  # of a JPEG


def augmented(picture: Pixels, pair: TilePair, seed: str) -> tuple[TilePair, Draw]:
    """Augment a tile pair of a picture; return it with the techniques, drawn from `seed`."""
    rng = generator(seed)
    drawn = draw(rng, smallest_scale=SIZE / min(picture.shape[:2]))
    return apply(drawn, picture, pair.box, noise_seed=int(rng.integers(1 << 62)))


def draw(rng: np.random.Generator, smallest_scale: float = 0.0) -> Draw:
    """Draw a sample's techniques. smallest_scale: the scale at which the picture still holds one tile."""
    scale, shift, noise, quality = rng.random(4) < PROBABILITY
    return Draw(
        scale=float(rng.uniform(max(SCALE[0], smallest_scale), SCALE[1])) if scale else None,
        shift=float(rng.choice([-1, 1]) * rng.uniform(*SHIFT)) if shift else None,
        noise=float(rng.uniform(*NOISE)) if noise else None,
        quality=int(rng.integers(QUALITY[0], QUALITY[1] + 1)) if quality else None,
    )


def apply(drawn: Draw, picture: Pixels, box: Box, noise_seed: int) -> tuple[TilePair, Draw]:
    """Apply the techniques to a tile of a picture; return it with those that were applied.

    The picture is scaled and shifted before it is downscaled, as a photo of the scene would be; noise and JPEG
    compression affect the LR tile only. A tile that would be rejected once it is scaled, such as a blurred one, stays
    at its size.
    """
    if drawn.scale is not None:
        scaled, place = _scaled(picture, box, drawn.scale)
        clean = _cut(scaled, place, None)
        if rejection(clean.hr, clean.lr):
            drawn = drawn.model_copy(update={"scale": None})
        else:
            picture, box = scaled, place
    pair = _cut(picture, box, drawn.shift)
    lr = pair.lr
    if drawn.noise is not None:
        lr = _noisy(lr, drawn.noise, noise_seed)
    if drawn.quality is not None:
        lr = compressed(lr, drawn.quality)
    return replace(pair, lr=lr), drawn


def _cut(picture: Pixels, box: Box, shift: float | None) -> TilePair:
    """Shift hue and tone around a tile, downscale and cut the pair: the same as for the whole picture, at less cost."""
    left, top = (max(start - MARGIN, 0) for start in box[:2])
    around = picture[top : box[3] + MARGIN, left : box[2] + MARGIN]
    if shift is not None:
        around = _shifted(around, shift)
    inside = (box[0] - left, box[1] - top, box[2] - left, box[3] - top)
    return replace(cut_pair(around, halve(around), inside), box=box)


def _scaled(picture: Pixels, box: Box, scale: float) -> tuple[Pixels, Box]:
    """Scale a picture; return it with the box of a tile around the same centre."""
    height, width = (max(round(side * scale), SIZE) for side in picture.shape[:2])
    scaled = np.asarray(Image.fromarray(picture).resize((width, height), Image.Resampling.BICUBIC))
    left = _start((box[0] + box[2]) / 2 * scale, width)
    top = _start((box[1] + box[3]) / 2 * scale, height)
    return scaled, (left, top, left + SIZE, top + SIZE)


def _start(centre: float, side: int) -> int:
    """Return the even start coordinate of a tile around `centre` that lies within the picture."""
    return min(max(round(centre) - SIZE // 2, 0), side - SIZE) // 2 * 2


def _shifted(picture: Pixels, shift: float) -> Pixels:
    return _to_pixels(transforms.adjust_gamma(transforms.adjust_hue(_to_tensor(picture), shift), 1 + shift))


def _noisy(picture: Pixels, sigma: float, seed: int) -> Pixels:
    image = _to_tensor(picture)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        noisy = transforms.gaussian_noise(transforms.to_dtype(image, torch.float32, scale=True), sigma=sigma)
    return _to_pixels(transforms.to_dtype(noisy, torch.uint8, scale=True))


def _to_tensor(pixels: Pixels) -> Tensor:
    return torch.from_numpy(pixels.copy()).permute(2, 0, 1)  # CHW uint8


def _to_pixels(image: Tensor) -> Pixels:
    return np.ascontiguousarray(image.permute(1, 2, 0).numpy())
