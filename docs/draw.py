"""The figures of how_it_works.md, drawn by python docs/draw.py (needs the extra `training`)."""

from pathlib import Path

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch, Rectangle
from PIL import Image

from training_pipeline.convolution import EDGES, Convolution
from upscaler import Upscaler
from upscaler.model import find
from upscaler.pixels import Pixels

DOCS = Path(__file__).parent
SAMPLE = DOCS.parent / "apps" / "ui" / "samples" / "butterfly.jpg"
LINE, PALE, STRONG = "#334155", "#a5b4fc", "#4f46e5"


def main() -> None:
    """Draw all figures."""
    for draw in (draw_halo, draw_merging, draw_averaging):
        figure = draw()
        target = DOCS / "images" / f"how_{draw.__name__.removeprefix('draw_')}.webp"
        figure.savefig(target, dpi=110, facecolor="white")
        print(target)


def draw_halo() -> Figure:
    """Draw a window with its halo, and the error of tiled upscaling without and with it."""
    figure = Figure(figsize=(11, 4.2), layout="constrained")
    plan, without, with_halo = figure.subplots(1, 3)
    _draw_windows(plan)
    upscaler = Upscaler(find.model(find.FAST), "f32", window=64)
    picture = np.asarray(Image.open(SAMPLE).convert("RGB"))[160:352, 288:480]
    whole = Upscaler(find.model(find.FAST), "f32", window=192).upscale(picture)
    for axes, title, doubled in (
        (without, "windows of 64 without halo", _without_halo(upscaler, picture, 64)),
        (with_halo, "windows of 64 with halo", upscaler.upscale(picture)),
    ):
        difference = np.abs(doubled.astype(int) - whole).max(axis=2)
        shown = axes.imshow(difference, cmap="magma", vmin=0, vmax=24)
        axes.set_title(f"{title}:\nmaximum error {difference.max()} of 255", fontsize=10)
        axes.set_axis_off()
    figure.colorbar(shown, ax=[without, with_halo], shrink=0.7, label="difference to the whole picture, 8-bit levels")
    return figure


def _draw_windows(axes: Axes) -> None:
    axes.set(xlim=(-0.8, 4.2), ylim=(3.6, -1.0), aspect="equal")
    axes.add_patch(Rectangle((0.65, 0.65), 1.7, 1.7, color=PALE, alpha=0.7, lw=0))
    axes.add_patch(Rectangle((-0.35, -0.35), 1.7, 1.7, color=PALE, alpha=0.7, lw=0))
    for x, y in np.ndindex(4, 3):
        axes.add_patch(Rectangle((x, y), 1, 1, fill=False, ec="#94a3b8"))
    for x, y in ((0, 0), (1, 1)):
        axes.add_patch(Rectangle((x, y), 1, 1, color=STRONG, alpha=0.85, lw=0))
    axes.add_patch(Rectangle((0, 0), 4, 3, fill=False, ec=LINE, lw=2))
    axes.text(1.5, 1.5, "window", color="white", ha="center", va="center", fontsize=9)
    axes.text(2.45, 0.88, "halo", color=STRONG, fontsize=9)
    axes.text(-0.35, -0.45, "beyond the border: mirrored", color=LINE, fontsize=9)
    axes.set_title("the halo is as wide as\nthe network's receptive radius", fontsize=10)
    axes.set_axis_off()


def _without_halo(upscaler: Upscaler, picture: Pixels, side: int) -> Pixels:
    rows = [
        [upscaler.upscale(picture[y : y + side, x : x + side]) for x in range(0, picture.shape[1], side)]
        for y in range(0, picture.shape[0], side)
    ]
    return np.concatenate([np.concatenate(row, axis=1) for row in rows])


def draw_merging() -> Figure:
    """Draw the kernel of a convolution with branches as a sum, for one input and one output channel."""
    torch.manual_seed(7)
    convolution = Convolution(1, 1, branches=True)
    kernels = _parts(convolution)
    total = convolution.merged().detach().numpy()[0, 0]
    np.testing.assert_allclose(sum(kernels.values()), total, atol=1e-6)
    figure = Figure(figsize=(12, 2.6), layout="constrained")
    grid = figure.subplots(1, len(kernels) + 1)
    limit = max(np.abs(kernel).max() for kernel in [*kernels.values(), total])
    for n, (axes, (name, kernel)) in enumerate(zip(grid, [*kernels.items(), ("one 3x3", total)], strict=True)):
        axes.imshow(kernel, cmap="RdBu", vmin=-limit, vmax=limit)
        for y, x in np.ndindex(3, 3):
            ink = "white" if abs(kernel[y, x]) > 0.6 * limit else "black"
            axes.text(x, y, f"{kernel[y, x]:+.2f}", ha="center", va="center", fontsize=7, color=ink)
        axes.set_title(name, fontsize=9)
        axes.set_xticks([])
        axes.set_yticks([])
        if n:
            sign = "=" if n == len(kernels) else "+"
            axes.text(-0.14, 0.5, sign, transform=axes.transAxes, fontsize=14, ha="center", va="center")
    return figure


def _parts(convolution: Convolution) -> dict[str, np.ndarray]:
    """Return the summands, 3x3 kernels, by name."""
    branches = convolution.branches
    assert branches is not None
    point = torch.zeros(3, 3)
    point[1, 1] = branches.point[0, 0]
    edges = branches.edge_scales[:, 0, None, None] * branches.edge_inputs[:, 0, 0, None, None] * EDGES
    parts = {
        "3x3": convolution.kernel[0, 0],
        "1x1": point,
        "1x1, then 3x3": torch.einsum("m,myx->yx", branches.expand[:, 0], branches.squeeze[0]),
        "Sobel, across": edges[0],
        "Sobel, down": edges[1],
        "Laplacian": edges[2],
    }
    return {name: kernel.detach().numpy() for name, kernel in parts.items()}


def draw_averaging() -> Figure:
    """Draw four networks with a common warm start, and the two kinds of averaging."""
    figure = Figure(figsize=(11, 4), layout="constrained")
    axes = figure.subplots()
    axes.set(xlim=(0, 11), ylim=(0, 4.4))
    axes.set_axis_off()
    _box(axes, (0.1, 1.7), 1.7, "warm start,\ntrained on all parts")
    for n, part in enumerate("048c"):
        y = 3.4 - 1.1 * n
        _box(axes, (2.9, y), 1.6, f"fine-tuned on\npart {part}")
        _arrow(axes, (1.8, 2.05), (2.9, y + 0.35))
        _arrow(axes, (4.5, y + 0.35), (5.7, 3.15))
        _arrow(axes, (4.5, y + 0.35), (5.7, 0.95))
    _box(axes, (5.7, 2.8), 2.1, "weight averaging:\none network", STRONG)
    _box(axes, (5.7, 0.6), 2.1, "output averaging:\nfour networks", PALE)
    for y, cost in (
        (3.15, "the cost of one network;\nneeds the common warm start"),
        (0.95, "four times the cost;\nany networks of one size"),
    ):
        _arrow(axes, (7.8, y), (8.4, y))
        axes.text(8.5, y, cost, va="center", fontsize=9.5)
    return figure


def _box(axes: Axes, corner: tuple[float, float], width: float, text: str, colour: str = "#e2e8f0") -> None:
    axes.add_patch(FancyBboxPatch(corner, width, 0.7, boxstyle="round,pad=0.06", fc=colour, ec=LINE))
    ink = "white" if colour == STRONG else "black"
    axes.text(corner[0] + width / 2, corner[1] + 0.35, text, ha="center", va="center", fontsize=9.5, color=ink)


def _arrow(axes: Axes, start: tuple[float, float], end: tuple[float, float]) -> None:
    axes.annotate("", end, start, arrowprops={"arrowstyle": "->", "color": "#64748b"})


if __name__ == "__main__":
    main()
