"""Greedy selection of members on the validation tiles: the best first, then each time the one that helps most."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray

from ensemble_pipeline import testset
from ensemble_pipeline.averaging import averaged
from ensemble_pipeline.config import How
from ensemble_pipeline.errors import EnsembleError
from ensemble_pipeline.lineage import Selection
from ensemble_pipeline.members import without_warm_start
from ensemble_pipeline.testset import TestSet
from training_pipeline import unseen
from training_pipeline.config import SCORED_QUALITY
from training_pipeline.folder import recorded
from upscaler import Upscaler, metrics
from upscaler.model import artifact
from upscaler.model.artifact import Artifact
from upscaler.pixels import Pixels

MOST_TILES = 64  # evenly spaced; all members' errors on them are in memory
WINDOW = 128  # pixels a side of an LR tile

Errors = NDArray[np.float64]
Chosen = tuple[int, ...]


def run(members: Sequence[Artifact], how: How, validation: Sequence[Path]) -> Selection:
    """Select the members that help, by PSNR (Y) on at most 64 tiles.

    Distillation selects by output averaging, which is the teacher. Raises TrainingError if a member was trained on
    pictures of the validation set, EnsembleError if only some were trained for JPEGs.
    """
    quality = jpeg_quality(members, how)
    tests = testset.joined([testset.read(folder, "shards", quality) for folder in validation])
    pictures = tests.pictures()
    for member in members:
        unseen.check_for_selection(member, pictures, tests.name)
    tiles = tests.spread(MOST_TILES)
    score = partial(psnr_of_mean_weights, members, tiles) if how == "weights" else mean_of_outputs(members, tiles)
    steps = greedy(len(members), score)
    for n, decibels in steps:
        print(f"{members[n].name}: {decibels:.3f} dB PSNR (Y)")
    records = [{"member": members[n].name, "psnr_y": decibels} for n, decibels in steps]
    return Selection([members[n] for n, _ in steps], records, set(pictures))


def jpeg_quality(members: Sequence[Artifact], how: How) -> int | None:
    """Return the quality at which LR tiles are compressed for these members; None if they are not.

    Raises EnsembleError if only some runs were trained for JPEGs; a warm start may be of another kind.
    """
    judged = without_warm_start(members) if how == "weights" else members
    records = [record for member in judged if (record := recorded(member.folder)) is not None]
    of_jpegs = {bool(record.get("jpeg")) for record in records}
    if len(of_jpegs) > 1:
        raise EnsembleError("some runs were trained with --jpeg and others without; select among runs of one kind")
    return SCORED_QUALITY if of_jpegs == {True} else None


def greedy(count: int, score: Callable[[Chosen], float]) -> list[tuple[int, float]]:
    """Select greedily from `count` items while the score rises; return each item with the score after it."""
    steps: list[tuple[int, float]] = []
    left, best = set(range(count)), -np.inf
    while left:
        chosen = tuple(n for n, _ in steps)
        found = {n: score((*chosen, n)) for n in sorted(left)}
        best_item = max(found, key=found.__getitem__)
        if found[best_item] <= best:
            break
        best = found[best_item]
        steps.append((best_item, best))
        left.remove(best_item)
    return steps


def mean_of_outputs(members: Sequence[Artifact], tiles: TestSet) -> Callable[[Chosen], float]:
    """Return the score of output averaging: mean PSNR (Y) over the tiles, in dB.

    The squared error of an average is the mean of the products of the members' errors, so only these are kept.
    """
    errors = [luma_errors(member, tiles) for member in members]
    products = [np.inner(of_tile, of_tile) / len(of_tile[0]) for of_tile in zip(*errors, strict=True)]
    return lambda chosen: float(
        np.mean([metrics.decibels(float(matrix[np.ix_(chosen, chosen)].mean())) for matrix in products])
    )


def psnr_of_mean_weights(members: Sequence[Artifact], tiles: TestSet, chosen: Chosen) -> float:
    """Return the score of weight averaging of the chosen members: mean PSNR (Y) over the tiles, in dB."""
    config, weights = averaged([members[n] for n in chosen], "weights")
    with TemporaryDirectory() as folder:
        errors = luma_errors(artifact.write(Path(folder) / "mean", config, weights, {}, ""), tiles)
    return float(np.mean([metrics.decibels(float(np.mean(error**2))) for error in errors]))


def luma_errors(model: Artifact, tiles: TestSet) -> list[Errors]:
    """Return the errors of Y, in 8-bit levels, for each pixel of each tile except its border.

    The model runs at 16 bits: the rounding error of 8 bits averages out over members, which favours large ensembles.
    """
    upscaler = Upscaler(model, "f32", WINDOW)
    return [_luma(_deep(pair.hr)) - _luma(upscaler.upscale(_deep(pair.lr))) for pair in tiles]


def _deep(picture: Pixels) -> Pixels:
    return picture.astype(np.uint16) * np.uint16(257)


def _luma(deep: Pixels) -> Errors:
    inner = slice(metrics.SHAVE, -metrics.SHAVE)
    return metrics.luma(deep[inner, inner]).ravel() / 257
