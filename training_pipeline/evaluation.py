"""Evaluation of a network on the validation tiles."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import chain, islice

import torch
from torch import Tensor
from torch.nn import functional as F

from feature_pipeline.compression import compressed
from feature_pipeline.shards import Entry, Sample
from feature_pipeline.spacing import spread
from training_pipeline import data
from training_pipeline.config import SCORED_QUALITY
from training_pipeline.network import Network
from upscaler import bicubic, metrics
from upscaler.metrics import Score
from upscaler.model.architecture import SCALE
from upscaler.pixels import Pixels

MOST_TILES = 200  # evenly spaced: enough to distinguish runs, in a few seconds


def scores(network: Network, tiles: Sequence[Entry], jpeg: bool) -> Iterator[Score]:
    """Yield the scores of at most 200 tiles as 8-bit pictures, computed in float32."""
    for tile in spread(tiles, MOST_TILES):
        sample = read_sample(tile, jpeg)
        yield metrics.score(double(network, sample.lr), sample.hr)


def bicubic_score(tiles: Sequence[Entry], jpeg: bool) -> Score:
    """Return the mean score of bicubic interpolation on the tiles of `scores`."""
    samples = (read_sample(tile, jpeg) for tile in spread(tiles, MOST_TILES))
    return metrics.mean([metrics.score(bicubic.double(sample.lr), sample.hr) for sample in samples])


def read_sample(tile: Entry, jpeg: bool) -> Sample:
    """Read a tile pair for scoring. jpeg: compress the LR tile."""
    sample = data.load(tile)
    return replace(sample, lr=compressed(sample.lr, SCORED_QUALITY)) if jpeg else sample


def seconds(network: Network, tiles: Sequence[Entry], jpeg: bool) -> float:
    """Predict the duration of `scores` from its second tile; the first is slower than the rest."""
    started = [time.monotonic() for _ in islice(chain([None], scores(network, tiles, jpeg)), 3)]
    return (started[-1] - started[-2]) * min(MOST_TILES, len(tiles))


@torch.no_grad()
def double(network: Network, lr: Pixels) -> Pixels:
    """Upscale an HWC uint8 picture to (2H)(2W)C uint8, with the upscaler's mirror padding."""
    where = next(network.parameters()).device
    planes = torch.tensor(lr, device=where).permute(2, 0, 1)[None] / 255
    extended = F.pad(planes, (network.radius,) * 4, mode="reflect")
    was_training = network.training
    network.eval()
    output = _inner(network(extended), SCALE * network.radius)
    network.train(was_training)
    pixels: Pixels = (output[0].clamp(0, 1) * 255).round().byte().permute(1, 2, 0).cpu().numpy()
    return pixels


def _inner(planes: Tensor, margin: int) -> Tensor:
    return planes[..., margin:-margin, margin:-margin]
