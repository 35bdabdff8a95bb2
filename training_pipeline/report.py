"""What a finished run leaves: the artifact with one member, the learning curve, and a strip of crops to look at."""

import json
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from feature_pipeline.shards import Sample
from training_pipeline import checkpoint, data, evaluation
from training_pipeline.config import TILE, Config
from training_pipeline.data import Tiles
from training_pipeline.journal import LOG
from training_pipeline.network import Network, architecture
from upscaler import artifact, bicubic, models
from upscaler.artifact import Artifact, Member, ModelConfig
from upscaler.atomic import atomic_path
from upscaler.pixels import Pixels

CURVE, STRIP = "learning_curve.png", "crops.png"
ROWS = 6  # of the strip
CROP = 64  # pixels a side of the small crop in the strip

matplotlib.use("Agg")


def write(config: Config, tiles: Tiles) -> Artifact:
    """Write the artifact of the run's best checkpoint, and the drawings, to `config.out`."""
    best = checkpoint.read_best(config.out)
    network = averaged_network(config, best.states["average"])
    draw_curve(config.out)
    draw_strip(network, tiles, config.out)
    row = next(row for row in best.log if row["step"] == best.step)
    model = ModelConfig(
        architecture=network.architecture, combination="single", members=(_member(config, tiles, best.step),)
    )
    return artifact.write(config.out, model, network.collapsed(), {"validation": row}, _card(config, row))


def averaged_network(config: Config, state: dict[str, Any]) -> Network:
    """The network with the moving average of the weights, as a checkpoint holds it."""
    network = Network(architecture(config.size), config.branches, config.dropout)
    weights = {key.removeprefix("module."): value for key, value in state.items() if key.startswith("module.")}
    network.load_state_dict(weights)
    return network.eval()


def draw_curve(run: Path) -> None:
    """Draw PSNR and loss over the steps, from log.jsonl."""
    rows = [json.loads(line) for line in (run / LOG).read_text(encoding="utf-8").splitlines()]
    figure = Figure(figsize=(8, 4.5), layout="constrained")
    axes = figure.subplots()
    steps = [row["step"] for row in rows]
    axes.plot(steps, [row["psnr_y"] for row in rows], "o-", color="tab:blue")
    axes.set(xlabel="step", ylabel="PSNR on the validation tiles (Y), dB", title=run.name)
    axes.grid(alpha=0.3)
    losses = axes.twinx()
    losses.plot(steps, [row["loss"] for row in rows], "--", color="tab:orange", alpha=0.7)
    losses.set_ylabel("loss of the last batch (L1)")
    with atomic_path(run / CURVE) as temporary:
        figure.savefig(temporary, dpi=100)


def draw_strip(network: Network, tiles: Tiles, run: Path) -> None:
    """Draw small | bicubic | network | truth for a few validation tiles, all at the size of the truth."""
    rows = [_strip_row(network, data.load(tile)) for tile in evaluation.spread(tiles.validation, ROWS)]
    with atomic_path(run / STRIP) as temporary:
        Image.fromarray(np.concatenate(rows)).save(temporary)


def _strip_row(network: Network, sample: Sample) -> Pixels:
    inner = slice((TILE - CROP) // 2, (TILE + CROP) // 2)
    doubled_inner = slice(2 * inner.start, 2 * inner.stop)
    enlarged = sample.small[inner, inner].repeat(2, axis=0).repeat(2, axis=1)
    doubled = [bicubic.double(sample.small), evaluation.double(network, sample.small), sample.large]
    return np.concatenate([enlarged, *(picture[doubled_inner, doubled_inner] for picture in doubled)], axis=1)


def _member(config: Config, tiles: Tiles, steps: int) -> Member:
    ancestor = models.find(config.init_from).config.sha256[artifact.WEIGHTS] if config.init_from else None
    return Member(
        name=config.out.resolve().name,
        parts=tuple(folder.resolve().name for folder in config.shards),
        pictures=len(data.pictures(tiles.training)),
        steps=steps,
        ancestor=ancestor,
    )


def _card(config: Config, row: dict[str, Any]) -> str:
    parts = ", ".join(folder.resolve().name for folder in config.shards)
    return (
        f"# {config.out.resolve().name}\n\n"
        f"One network ({config.size}) that doubles photos, trained on tiles of {parts} of Open Images for "
        f"{row['step']} steps: {row['psnr_y']:.2f} dB PSNR (Y) on validation tiles.\n\n"
        f"![learning curve]({CURVE})\n\nSmall, bicubic, this network, truth:\n\n![crops]({STRIP})\n"
    )
