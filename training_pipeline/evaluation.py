"""The network against the truth, on tiles it was not trained on."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import chain, islice

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from feature_pipeline.compression import compressed
from feature_pipeline.shards import Entry, Sample
from training_pipeline import data, device
from training_pipeline.network import Network
from upscaler import metrics
from upscaler.metrics import Score
from upscaler.model.architecture import SCALE
from upscaler.pixels import Pixels

MOST_TILES = 200  # evenly over the set: enough to tell runs apart, and a few seconds
QUALITY = 80  # of the JPEGs that a run that learns from them is scored on


def scores(network: Network, tiles: Sequence[Entry], jpeg: bool) -> Iterator[Score]:
    """The score of each of at most 200 of the tiles as 8-bit pictures, in the precision that the upscaler takes."""
    for tile in spread(tiles, MOST_TILES):
        sample = seen(tile, jpeg)
        yield metrics.score(double(network, sample.lr), sample.hr)


def seen(tile: Entry, jpeg: bool) -> Sample:
    """A tile as a network is scored on it, its small picture as JPEG leaves it if the network is for those."""
    sample = data.load(tile)
    return replace(sample, lr=compressed(sample.lr, QUALITY)) if jpeg else sample


def seconds(network: Network, tiles: Sequence[Entry], jpeg: bool) -> float:
    """How long `scores` will take, from its first two tiles; the first is slower than the rest."""
    started = [time.monotonic() for _ in islice(chain([None], scores(network, tiles, jpeg)), 3)]
    return (started[-1] - started[-2]) * min(MOST_TILES, len(tiles))


def spread(tiles: Sequence[Entry], most: int) -> list[Entry]:
    """At most `most` of the tiles, at equal distances."""
    chosen = np.linspace(0, len(tiles) - 1, min(most, len(tiles))).round().astype(int)
    return [tiles[i] for i in chosen]


@torch.no_grad()
def double(network: Network, small: Pixels) -> Pixels:
    """What the network makes of an HWC uint8 picture, the border mirrored as the upscaler does: (2H)(2W)C uint8."""
    where = next(network.parameters()).device
    planes = torch.tensor(small, device=where).permute(2, 0, 1)[None] / 255
    extended = F.pad(planes, (network.radius,) * 4, mode="reflect")
    was_training = network.training
    network.eval()
    with device.autocast(where, device.has_bfloat16(where)):
        doubled = _inner(network(extended), SCALE * network.radius)
    network.train(was_training)
    pixels: Pixels = (doubled[0].clamp(0, 1) * 255).round().byte().permute(1, 2, 0).cpu().numpy()
    return pixels


def _inner(planes: Tensor, margin: int) -> Tensor:
    return planes[..., margin:-margin, margin:-margin]
