"""The results of a finished run: the artifact with one member, the learning curve and a strip of sample crops."""

from dataclasses import asdict
from typing import Any

import torch

from training_pipeline import beginning, checkpoint, dataset, drawings, journal, photo_credits, provenance
from training_pipeline.checkpoint import Checkpoint
from training_pipeline.config import SCORED_QUALITY, TrainingConfig
from training_pipeline.data import Tiles
from training_pipeline.network import Network
from training_pipeline.sizes import architecture
from upscaler.errors import ModelError
from upscaler.links import followed
from upscaler.model import artifact
from upscaler.model.artifact import Artifact, Member, ModelConfig
from upscaler.model.learned import Learned

CURVE, STRIP = "learning_curve.png", "crops.png"


def write(config: TrainingConfig, tiles: Tiles) -> Artifact:
    """Write the artifact of the run's best checkpoint and the plots to `config.out`."""
    best = checkpoint.read_best(config.out)
    with checkpoint.restoring(config.out):
        network = averaged_network(config, best.states["average"])
    drawings.draw_curve(journal.read(config.out), config.out.name, config.out / CURVE)
    drawings.draw_strip(network, tiles.validation, config.out / STRIP, config.jpeg)
    row = _evaluation(best)
    start = beginning.warm_start(config)
    member = _member(config, tiles, best.step, start)
    model = ModelConfig(architecture=network.architecture, combination="single", members=(member,))
    made = provenance.of(config, tiles)
    before = dataset.names(start.metrics) if start else set()
    metrics: dict[str, Any] = {"validation": row, "training": [asdict(made)]}
    metrics |= dataset.recorded({made.dataset}, before)
    learned = Learned(tiles.training.ids, tiles.validation.ids, perceptual=tiles.training.perceptual)
    if start:
        metrics["beginning"] = [begun.model_dump() for begun in start.config.members]
        learned |= start.learned()
    photo_credits.collect([*config.shards, *([start.folder] if start else [])], config.out)
    weights, int8 = (start.weights(), network.collapsed()) if start and config.int8 else (network.collapsed(), None)
    return artifact.write(config.out, model, weights, metrics, _card(config, metrics), learned=learned, int8=int8)


def finished(config: TrainingConfig, last: Checkpoint) -> Artifact | None:
    """Return the artifact of a run that its last checkpoint ends.

    None if it has steps or an evaluation left, or no intact artifact.
    """
    is_evaluated = any(row["step"] == last.step for row in last.log)
    if (config.steps and last.step < config.steps) or not (is_evaluated and checkpoint.has_best(config.out)):
        return None
    try:
        written = artifact.read(config.out)
    except ModelError:
        return None
    is_of_best = written.metrics.get("validation") == _evaluation(checkpoint.read_best(config.out))
    return written if is_of_best else None


def summary(config: TrainingConfig, on: torch.device) -> str:
    """Return what the run has used (steps, LR pixels and hours) and reached."""
    rows = journal.read(config.out)
    last, best = rows[-1], max(row["psnr_y"] for row in rows)
    baseline = f", bicubic {last['bicubic_psnr_y']:.2f} dB" if "bicubic_psnr_y" in last else ""
    pixels = last["step"] * config.batch * config.crop**2
    place = f"{on}, {config.threads} threads" if on.type == "cpu" else str(on)
    return (
        f"{config.out}: {last['step']:,} steps, {pixels:.2e} LR pixels, {last['seconds'] / 3600:.2f} hours on {place}; "
        f"{best:.2f} dB PSNR (Y) on the validation tiles{baseline}"
    )


def averaged_network(config: TrainingConfig, state: dict[str, Any]) -> Network:
    """Return the network with the EMA weights of a checkpoint, in evaluation mode."""
    network = Network(architecture(config.size), config.branches, config.dropout, config.int8)
    weights = {key.removeprefix("module."): value for key, value in state.items() if key.startswith("module.")}
    network.load_state_dict(weights)
    return network.eval()


def _evaluation(best: Checkpoint) -> dict[str, Any]:
    """Return the row of the log that made a checkpoint the best."""
    return next(row for row in best.log if row["step"] == best.step)


def _member(config: TrainingConfig, tiles: Tiles, steps: int, start: Artifact | None) -> Member:
    return Member(
        name=followed(config.out).name,
        parts=tuple(followed(folder).name for folder in config.shards),
        pictures=len(tiles.training.ids),
        steps=steps,
        ancestor=start.config.sha256[artifact.WEIGHTS] if start else None,
    )


def _card(config: TrainingConfig, metrics: dict[str, Any]) -> str:
    row, data_name = metrics["validation"], dataset.of(config.out, metrics).name
    parts = ", ".join(followed(folder).name for folder in config.shards)
    of_jpeg = f" with LR inputs compressed to JPEG quality {SCORED_QUALITY}" if config.jpeg else ""
    trained = f"fine-tuned for int8 from {config.init_from}" if config.int8 else "trained"
    return (
        f"# {followed(config.out).name}\n\n"
        f"One 2x super-resolution network ({config.size}), {trained} on {parts} of {data_name} for "
        f"{row['step']} steps: {row['psnr_y']:.2f} dB PSNR (Y) on validation tiles{of_jpeg}.\n\n"
        f"![learning curve]({CURVE})\n\nLR input, bicubic, network, ground truth:\n\n![crops]({STRIP})\n"
    )
