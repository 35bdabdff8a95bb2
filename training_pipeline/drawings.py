"""Plots of learning curves, and strips of sample crops."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from feature_pipeline.shards import Entry, Sample
from feature_pipeline.spacing import spread
from training_pipeline import evaluation
from training_pipeline.config import TILE
from training_pipeline.network import Network
from upscaler import bicubic
from upscaler.atomic import atomic_path
from upscaler.pixels import Pixels

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ROWS = 6  # of a strip
CROP = 64  # pixels a side of the LR crop in a strip
PSNR = "PSNR on the validation tiles (Y), dB"

Curve = Sequence[tuple[int, float]]  # step, dB


def draw_curve(rows: list[dict[str, Any]], title: str, target: Path) -> None:
    """Plot PSNR and loss over the steps of one run; `rows` are those of its log."""
    figure = _figure(4.5)
    axes = figure.subplots()
    steps = [row["step"] for row in rows]
    axes.plot(steps, [row["psnr_y"] for row in rows], "o-", color="tab:blue", label="network")
    if baseline := rows[-1].get("bicubic_psnr_y"):
        axes.axhline(baseline, color="tab:gray", linestyle=":", label="bicubic")
    axes.legend(loc="lower right")
    axes.set(xlabel="step", ylabel=PSNR, title=title)
    axes.grid(alpha=0.3)
    losses = axes.twinx()
    losses.plot(steps, [row["loss"] for row in rows], "--", color="tab:orange", alpha=0.7)
    losses.set_ylabel("loss, moving average")
    _save(figure, target)


def draw_curves(curves: Mapping[str, Curve], target: Path) -> None:
    """Plot PSNR over the steps of several runs."""
    figure = _figure(5)
    axes = figure.subplots()
    for n, (name, curve) in enumerate(curves.items()):
        steps, decibels = zip(*curve, strict=True)
        axes.plot(steps, decibels, marker=".", linestyle=("-", "--", ":")[n // 10 % 3], label=name)
    axes.set(xlabel="step", ylabel=PSNR)
    axes.grid(alpha=0.3)
    if curves:
        figure.legend(loc="outside right upper", fontsize="small", frameon=False)
    _save(figure, target)


def draw_strip(network: Network, tiles: Sequence[Entry], target: Path, jpeg: bool) -> None:
    """Draw LR input | bicubic | network | ground truth for a few tiles, all at HR size."""
    rows = [_strip_row(network, evaluation.read_sample(tile, jpeg)) for tile in spread(tiles, ROWS)]
    with atomic_path(target) as temporary:
        Image.fromarray(np.concatenate(rows)).save(temporary)


def _strip_row(network: Network, sample: Sample) -> Pixels:
    inner = slice((TILE - CROP) // 2, (TILE + CROP) // 2)
    hr_inner = slice(2 * inner.start, 2 * inner.stop)
    enlarged = sample.lr[inner, inner].repeat(2, axis=0).repeat(2, axis=1)
    doubled = [bicubic.double(sample.lr), evaluation.double(network, sample.lr), sample.hr]
    return np.concatenate([enlarged, *(picture[hr_inner, hr_inner] for picture in doubled)], axis=1)


def _figure(height: float) -> "Figure":
    from matplotlib.figure import Figure  # takes half a second, for which no process that trains needs to wait

    return Figure(figsize=(8, height), layout="constrained")


def _save(figure: "Figure", target: Path) -> None:
    with atomic_path(target) as temporary:
        figure.savefig(temporary, dpi=100)
