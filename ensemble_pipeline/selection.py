"""Greedy choice of members on the validation tiles: the best first, then each time the one that helps most."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ensemble_pipeline import testset
from ensemble_pipeline.averaging import averaged
from ensemble_pipeline.config import How
from ensemble_pipeline.testset import TestSet
from upscaler import Upscaler, metrics
from upscaler.model import artifact
from upscaler.model.artifact import Artifact
from upscaler.pixels import Pixels

MOST_TILES = 64  # evenly over the set: all members' errors on them are held in memory
WINDOW = 128  # pixels a side of a small tile

Errors = NDArray[np.float64]
Chosen = tuple[int, ...]


def run(members: Sequence[Artifact], how: How, validation: Path) -> tuple[list[Artifact], list[dict[str, Any]]]:
    """The members that help, best first, and what the metrics say of each: name, and PSNR (Y) in dB with it.

    A network that is to be distilled is chosen for as the mean of outputs that it learns.
    """
    tiles = testset.read(validation, "shards").spread(MOST_TILES)
    score = partial(psnr_of_mean_weights, members, tiles) if how == "weights" else mean_of_outputs(members, tiles)
    steps = greedy(len(members), score)
    for n, decibels in steps:
        print(f"{members[n].name}: {decibels:.3f} dB PSNR (Y) with it")
    told = [{"member": members[n].name, "psnr_y": decibels} for n, decibels in steps]
    return [members[n] for n, _ in steps], told


def greedy(count: int, score: Callable[[Chosen], float]) -> list[tuple[int, float]]:
    """Of `count` things, those that raise the score, in the order in which they do most, with the score after each."""
    steps: list[tuple[int, float]] = []
    left, best = set(range(count)), -np.inf
    while left:
        chosen = tuple(n for n, _ in steps)
        found = {n: score((*chosen, n)) for n in sorted(left)}
        helper = max(found, key=found.__getitem__)
        if found[helper] <= best:
            break
        best = found[helper]
        steps.append((helper, best))
        left.remove(helper)
    return steps


def mean_of_outputs(members: Sequence[Artifact], tiles: TestSet) -> Callable[[Chosen], float]:
    """The score of the mean of members' outputs: mean PSNR (Y) over the tiles, dB.

    The squared error of a mean is the mean of the products of its members' errors, so those are all that is kept.
    """
    errors = [luma_errors(member, tiles) for member in members]
    products = [np.inner(of_tile, of_tile) / len(of_tile[0]) for of_tile in zip(*errors, strict=True)]
    return lambda chosen: float(
        np.mean([_decibels(float(matrix[np.ix_(chosen, chosen)].mean())) for matrix in products])
    )


def psnr_of_mean_weights(members: Sequence[Artifact], tiles: TestSet, chosen: Chosen) -> float:
    """Mean PSNR (Y) over the tiles, dB, of the network with the mean of the chosen members' weights."""
    config, weights = averaged([members[n] for n in chosen], "weights")
    with TemporaryDirectory() as folder:
        errors = luma_errors(artifact.write(Path(folder) / "mean", config, weights, {}, ""), tiles)
    return float(np.mean([_decibels(float(np.mean(error**2))) for error in errors]))


def luma_errors(model: Artifact, tiles: TestSet) -> list[Errors]:
    """How far Y is off, in levels of 8 bits, for each pixel of each tile but its border.

    The model runs at 16 bits: rounding each member to 8 would favour large ensembles, over which it averages out.
    """
    upscaler = Upscaler(model, window=WINDOW)
    return [_luma(_deep(pair.large)) - _luma(upscaler.upscale(_deep(pair.small))) for pair in tiles]


def _deep(picture: Pixels) -> Pixels:
    return picture.astype(np.uint16) * np.uint16(257)


def _luma(deep: Pixels) -> Errors:
    inner = slice(metrics.SHAVE, -metrics.SHAVE)
    return metrics.luma(deep[inner, inner]).ravel() / 257


def _decibels(squared_error: float) -> float:
    return 10 * float(np.log10(255**2 / squared_error))
