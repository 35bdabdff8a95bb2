"""The state in which a run begins: a new or a warm-started network, or a checkpoint."""

from feature_pipeline import shards
from training_pipeline import checkpoint, unseen
from training_pipeline.checkpoint import Checkpoint
from training_pipeline.config import MACHINE, TrainingConfig
from training_pipeline.data import Tiles
from training_pipeline.errors import TrainingError
from training_pipeline.network import Network
from training_pipeline.schedule import is_constant
from training_pipeline.sizes import architecture
from upscaler.model import find


def resumed(config: TrainingConfig, tiles: Tiles, resume: bool) -> Checkpoint | None:
    """Return the checkpoint to continue from, or None for a new run.

    Raises TrainingError if there is a run but not `resume`, or it is another run, or the warm start was trained on
    validation pictures.
    """
    if config.init_from:
        held_out = shards.pictures(tiles.validation)
        unseen.check_for_selection(find.model(config.init_from), held_out, "the validation set")
    if not resume and (config.out / checkpoint.FOLDER).exists():
        raise TrainingError(f"{config.out} already holds a run; give --resume to continue it, or another --out")
    start = checkpoint.latest(config.out) if resume else None
    if start:
        _check_continues(config, tiles, start)
    return start


def _check_continues(config: TrainingConfig, tiles: Tiles, start: Checkpoint) -> None:
    """Raise TrainingError unless the checkpoint is of this run; while its rate is constant, the steps may change."""
    budgets = start.configuration["steps"], config.steps
    extends = all(steps and is_constant(config.schedule, start.step / steps) for steps in budgets)
    config.check_same(start.configuration, but=(*MACHINE, "steps") if extends else MACHINE)
    if start.data != tiles.digest:
        raise TrainingError(
            f"the run in {config.out} was made with tiles of other content; give the same --shards and --validation, "
            "or start in another folder"
        )


def network(config: TrainingConfig) -> Network:
    """Return the network before the first step. Raises ModelError or TrainingError if its warm start does not fit."""
    shape = architecture(config.size)
    made = Network(shape, config.branches, config.dropout)
    if config.init_from:
        start = find.model(config.init_from)
        begun = start.config.architecture
        fits = (begun.width, begun.block) == (shape.width, shape.block) and begun.depth <= shape.depth
        if start.config.networks != 1 or not fits:
            raise TrainingError(
                f"{config.init_from} is no warm start for the size {config.size}; give a single network of the same "
                "width and kind of blocks and at most as many of them"
            )
        made.assign(start.weights())
    return made
