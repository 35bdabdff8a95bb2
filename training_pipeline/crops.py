"""Random crops of tiles: what is drawn for each, and where it lies in a tile.

Multi-scale crops: half come from the 2x downsampled image, where photos are sharper and less noisy:
the LR tile is the ground truth, its half the input.
"""

from dataclasses import dataclass, fields
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from feature_pipeline.compression import compressed
from feature_pipeline.shards import Sample
from training_pipeline.config import TILE
from upscaler.bicubic import halve
from upscaler.model.architecture import SCALE
from upscaler.pixels import Pixels

DOWNSAMPLED = 0.5  # share of the crops from the 2x downsampled image
EDGE = 2  # pixels at the border of a downsampled tile that lack part of the filter's support
QUALITY = (50, 97)  # of the JPEG compression of LR tiles
FULL_CHROMA = 0.25  # share of these JPEGs without chroma subsampling


@dataclass(frozen=True)
class Crops:
    """Draws for the N crops of a batch.

    downsampled: N bool; takes effect where such a crop exists. place: N2, top and left, uniform in [0, 1). turns: N,
    quarter turns, 0 to 3. flip: N bool, horizontal, after the turns. quality: N, of the JPEG; full_chroma: N bool.
    """

    downsampled: NDArray[np.bool_]
    place: NDArray[np.float64]
    turns: NDArray[np.int64]
    flip: NDArray[np.bool_]
    quality: NDArray[np.int64]
    full_chroma: NDArray[np.bool_]

    def __getitem__(self, part: slice) -> "Crops":
        return Crops(*(getattr(self, field.name)[part] for field in fields(self)))


def draw(rng: np.random.Generator, size: int) -> Crops:
    """Draw `size` crops."""
    return Crops(
        downsampled=rng.random(size) < DOWNSAMPLED,
        place=rng.random((size, 2)),
        turns=rng.integers(4, size=size),
        flip=rng.random(size) < 0.5,
        quality=rng.integers(*QUALITY, endpoint=True, size=size),
        full_chroma=rng.random(size) < FULL_CHROMA,
    )


def corner(place: NDArray[np.float64], crop: int, downsampled: bool) -> NDArray[np.int64]:
    """Return the top and the left of crops at `place`, in pixels of the input.

    Half a crop beyond, places count as the outermost position: otherwise pixels at a tile's edge would be in 1 of 32
    times as many crops as those in the middle.
    """
    edge, side = (EDGE, TILE // SCALE) if downsampled else (0, TILE)
    last, beyond = side - 2 * edge - crop, crop // 2
    return edge + (np.floor(place * (last + 2 * beyond + 1)).astype(np.int64) - beyond).clip(0, last)


class TilePair(NamedTuple):
    """An LR and an HR tile, HWC uint8. clean: the LR tile can serve as ground truth, for its half."""

    lr: Pixels
    hr: Pixels
    clean: bool


def pair(sample: Sample) -> TilePair:
    """Return the tiles of a sample."""
    drawn = sample.info.augmented
    return TilePair(sample.lr, sample.hr, drawn is None or (drawn.noise is None and drawn.quality is None))


def cut(tiles: TilePair, crop: int, crops: Crops, n: int, jpeg: bool = False) -> tuple[Pixels, Pixels]:
    """Cut the LR and the HR crop of draw `n` from a tile pair.

    jpeg: compress the LR tile before cropping, so that a crop starts anywhere in a block.
    """
    downsampled = bool(crops.downsampled[n]) and tiles.clean
    lr, hr = (halve(tiles.lr), tiles.lr) if downsampled else (tiles.lr, tiles.hr)
    if jpeg:
        lr = compressed(lr, int(crops.quality[n]), bool(crops.full_chroma[n]))
    top, left = corner(crops.place[n], crop, downsampled)
    lr, hr = (
        np.rot90(tile[top * s : (top + crop) * s, left * s : (left + crop) * s], crops.turns[n])
        for tile, s in ((lr, 1), (hr, SCALE))
    )
    return (lr[:, ::-1], hr[:, ::-1]) if crops.flip[n] else (lr, hr)
