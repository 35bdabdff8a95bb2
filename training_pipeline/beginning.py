"""The state in which a run begins: a new or a warm-started network, or a checkpoint."""

import sys
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace

from feature_pipeline import shards
from training_pipeline import checkpoint, folder, ranks, unseen
from training_pipeline.checkpoint import Checkpoint
from training_pipeline.config import MACHINE, TrainingConfig
from training_pipeline.data import Tiles
from training_pipeline.errors import TrainingError
from training_pipeline.folder import INSTEAD, Kind, kind
from training_pipeline.measured import checked
from training_pipeline.network import Network
from training_pipeline.schedule import is_constant
from training_pipeline.sizes import architecture
from upscaler.model import find, hub
from upscaler.model.artifact import Artifact


def claimed(config: TrainingConfig, resume: bool, overwrite: bool) -> AbstractContextManager[None]:
    """Hold the folder of the run, as `folder.claimed` does; of processes that share a run, the first one holds it."""
    if not ranks.is_first():
        return nullcontext()
    alternatives = "another --out" if resume else INSTEAD
    if not resume and kind(config.out) is Kind.RUN:
        alternatives = f"--resume to continue it, {INSTEAD}"
    return folder.claimed(config.out, lambda found: resume and found is Kind.RUN, overwrite, alternatives)


def check_warm_start(config: TrainingConfig, tiles: Tiles) -> None:
    """Raise TrainingError if the warm start was trained on validation pictures."""
    if start := warm_start(config):
        held_out = shards.pictures(tiles.validation)
        unseen.check_for_selection(start, held_out, "the validation set")


def warm_start(config: TrainingConfig) -> Artifact | None:
    """Return the model that the run starts from, with the credits of its photos; None if it starts from none."""
    if not config.init_from:
        return None
    start = checked(find.model(config.init_from))
    hub.fetch_companions(start)
    return start


def resumed(config: TrainingConfig, tiles: Tiles) -> Checkpoint | None:
    """Return the checkpoint to continue from; without one, say so and return None.

    Raises TrainingError if the folder holds another run.
    """
    if last := checkpoint.latest(config.out):
        start = _before_decay(config, last) or last
        _check_continues(config, tiles, start)
        if start.step < last.step and ranks.is_first():
            checkpoint.remove_after(config.out, start.step)
        return start
    recorded = folder.recorded(config.out)
    if recorded is not None:  # a finished run whose checkpoints were removed stays what it is
        config.check_same(recorded)
    if ranks.is_first():
        print(f"{config.out} has no checkpoint; training starts at step 0", file=sys.stderr)
    return None


def _check_continues(config: TrainingConfig, tiles: Tiles, start: Checkpoint) -> None:
    """Raise TrainingError unless the checkpoint is of this run.

    The steps may change while the rate is constant; those of cosine decay may become more.
    """
    before = start.configuration["steps"]
    becomes_longer = config.schedule == "cosine" and _is_longer(config, before)
    extends = becomes_longer or _is_constant(config, start.step, before)
    config.check_same(start.configuration, but=(*MACHINE, "steps") if extends else MACHINE)
    tiles.check_same(start.data, start.split, config.out)


def _before_decay(config: TrainingConfig, last: Checkpoint) -> Checkpoint | None:
    """Return the last checkpoint at a constant rate, if there is one and the run is to become longer."""
    before = last.configuration["steps"]
    if not _is_longer(config, before):
        return None
    return checkpoint.latest(config.out, lambda step: _is_constant(config, step, before))


def _is_longer(config: TrainingConfig, before: int | None) -> bool:
    return before is not None and config.steps is not None and config.steps > before


def _is_constant(config: TrainingConfig, step: int, before: int | None) -> bool:
    """Return True if the rate is constant at a step, of the run as it was and as it is to be."""
    return all(steps and is_constant(config.schedule, step / steps) for steps in (before, config.steps))


def network(config: TrainingConfig) -> Network:
    """Return the network before the first step. Raises ModelError or TrainingError if its warm start does not fit."""
    shape = architecture(config.size)
    made = Network(shape, config.branches, config.dropout, config.int8)
    if config.init_from:
        start = find.model(config.init_from)
        begun = start.config.architecture
        fits = (begun.width, begun.block) == (shape.width, shape.block) and begun.depth <= shape.depth
        if start.config.networks != 1 or not fits:
            raise TrainingError(
                f"{config.init_from} is no warm start for the size {config.size}; give a single network of the same "
                "width and kind of blocks and at most as many of them"
            )
        if config.int8 and begun.depth != shape.depth:
            raise TrainingError(f"{config.init_from} has the size {begun}, which --int8 keeps; give --size {begun}")
        made.assign(start.weights())
    return made


def unrounded(config: TrainingConfig) -> Network:
    """Return the network in float32 whose output is the ground truth of fine-tuning for int8."""
    return network(replace(config, int8=False, branches=False, dropout=0.0)).eval().requires_grad_(False)
