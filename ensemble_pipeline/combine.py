"""Several trained networks in, one model out."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from ensemble_pipeline.card import model_card
from ensemble_pipeline.mirror import with_mirror_images
from upscaler import artifact, models
from upscaler.architecture import Architecture, Weights
from upscaler.artifact import Artifact, Member, ModelConfig
from upscaler.atomic import write_text
from upscaler.errors import EnsembleError

MOST_MEMBERS = 16  # one for each part of Open Images
RECORD = "combine.json"
_RUN = "run.json"  # of a training run; importing its module would bring torch

How = Literal["outputs", "weights", "distill"]


@dataclass(frozen=True)
class Distillation:
    """The network to train, on what and how: see `training_pipeline.config.Config`."""

    into: str
    shards: tuple[Path, ...]
    validation: tuple[Path, ...]
    steps: int
    jpegs: bool = False
    init_from: str | None = None
    learning_rate: float = 1e-3
    threads: int = 2


@dataclass(frozen=True)
class Config:
    """Which runs become one model, and how: the mean of their outputs or weights, or a network that learns the first.

    select: tile shards, on which only those of the runs are chosen that help. mirrored: the mean over the picture and
    its mirror image, at twice the cost. for_jpegs: the model that doubles pictures that JPEG damaged.
    """

    runs: tuple[Path, ...]
    out: Path
    how: How
    select: Path | None = None
    distillation: Distillation | None = None
    mirrored: bool = False
    for_jpegs: Path | None = None


def run(config: Config) -> Artifact:
    """Write the ensemble. Raises EnsembleError if the runs do not fit together, before anything is written."""
    members = _checked_members(config)
    for_jpegs = artifact.read(config.for_jpegs) if config.for_jpegs else None
    beginning = common_beginning(without_beginning(members))
    metrics: dict[str, Any] = {"beginning": [member.model_dump() for member in beginning]} if beginning else {}
    if config.select:
        from ensemble_pipeline import selection

        members, metrics["selection"] = selection.run(members, config.how, config.select)
    if config.how == "distill":
        model, weights, learned = _distilled(config, members)
        metrics |= learned
    elif len(members) == 1 and members[0].config.combination != "single":
        model, weights = members[0].config, members[0].weights()
    else:
        model, weights = averaged(members, config.how)
    if config.mirrored:
        model, weights = with_mirror_images(model, weights)
    card = model_card(config.out.name, model, metrics, config.out, for_jpegs)
    ensemble = artifact.write(config.out, model, weights, metrics, card, for_jpegs)
    write_text(config.out / RECORD, json.dumps(asdict(config), indent=2, default=str) + "\n")
    return ensemble


def _checked_members(config: Config) -> list[Artifact]:
    if config.out.resolve() in {run.resolve() for run in config.runs}:
        raise EnsembleError(f"{config.out} is one of the runs, which would be overwritten; give another --out")
    if config.for_jpegs and config.out.resolve() == config.for_jpegs.resolve():
        raise EnsembleError(f"{config.out} is the model for JPEGs, which would be overwritten; give another --out")
    members = read_members(config.runs, config.how)
    if config.how == "weights":
        check_common_ancestor(members)
    return members


def read_members(runs: Sequence[Path], how: How) -> list[Artifact]:
    """Read the runs' artifacts. Raises EnsembleError unless they are 1 to 16 single networks of one shape.

    What several networks became one by will do too, if it is alone, as a teacher or to be mirrored, or if the others
    began as it and the mean is of weights.
    """
    if not 1 <= len(runs) <= MOST_MEMBERS:
        raise EnsembleError(f"{len(runs)} runs cannot be combined; give 1 to {MOST_MEMBERS}")
    if len({run.resolve() for run in runs}) < len(runs):
        raise EnsembleError("a run is given twice; give each once")
    members = [artifact.read(run) for run in runs]
    first, apart = members[0], without_beginning(members) if how == "weights" else members
    for run, member in zip(runs, members, strict=True):
        alone = len(runs) == 1 or member not in apart
        if member.config.combination != "single" and not (alone and member.config.networks == 1):
            raise EnsembleError(f"{run} is an ensemble itself; give the runs that it was made of")
        if member.config.architecture != first.config.architecture:
            sizes = [f"{m.config.architecture.width}x{m.config.architecture.depth}" for m in (first, member)]
            raise EnsembleError(f"{runs[0]} is {sizes[0]} and {run} is {sizes[1]}; combine networks of one size")
    return members


def check_common_ancestor(members: Sequence[Artifact]) -> None:
    """Raise EnsembleError unless all members started from the same weights.

    Networks that started apart give the same function from different channels: the mean of their weights is noise.
    """
    ancestors = {_ancestor(member) for member in without_beginning(members)}
    if None in ancestors or len(ancestors) > 1:
        raise EnsembleError(
            "the mean of weights needs runs that started from one network, and these have no common ancestor on "
            "record; train them with --init-from one artifact, or combine them with --how outputs"
        )


def without_beginning(members: Sequence[Artifact]) -> list[Artifact]:
    """The members but for the one, if it is among them, that all others began as.

    Between a network and what it became on other pictures lies one that is good on both: M. Wortsman et al., "Robust
    fine-tuning of zero-shot models", CVPR 2022.
    """

    def is_beginning(start: Artifact) -> bool:
        others = [member for member in members if member is not start]
        return bool(others) and {_ancestor(member) for member in others} == {start.config.sha256[artifact.WEIGHTS]}

    return [member for member in members if not is_beginning(member)]


def common_beginning(members: Sequence[Artifact]) -> tuple[Member, ...]:
    """What the network that all members started from was made of, where it is still at hand; else nothing.

    Most of what the members learned is from there.
    """
    if known := members[0].metrics.get("beginning"):  # of the networks that a lone member was made of
        return tuple(Member(**member) for member in known)
    record = members[0].folder / _RUN
    start = json.loads(record.read_text(encoding="utf-8")).get("init_from") if record.exists() else None
    if start is None or not Path(start).is_dir():
        return ()
    found = models.find(start).config
    same = {_ancestor(member) for member in members} == {found.sha256[artifact.WEIGHTS]}
    return found.members if same else ()


def averaged(members: Sequence[Artifact], how: Literal["outputs", "weights"]) -> tuple[ModelConfig, Weights]:
    """The model whose output is the mean of the members' outputs, or whose weights are the mean of theirs."""
    weights = [member.weights() for member in members]
    if how == "outputs":
        return config_for(members, how, members[0].config.architecture), side_by_side(weights)
    return config_for(without_beginning(members), how, members[0].config.architecture), mean_weights(weights)


def config_for(
    members: Sequence[Artifact], combination: artifact.Combination, architecture: Architecture
) -> ModelConfig:
    """What config.json says of a model made of `members`."""
    made_of = tuple(network for member in members for network in member.config.members)
    return ModelConfig(architecture=architecture, combination=combination, members=made_of)


def side_by_side(members: Sequence[Weights]) -> Weights:
    """All members' arrays, numbered, for the graph that computes the mean of their outputs."""
    return {
        key.replace("networks.0.", f"networks.{n}.", 1): array
        for n, weights in enumerate(members)
        for key, array in weights.items()
    }


def mean_weights(members: Sequence[Weights]) -> Weights:
    """The mean of each array over the members, computed in float64."""
    return {
        key: np.stack([weights[key] for weights in members]).mean(axis=0, dtype=np.float64).astype(np.float32)
        for key in members[0]
    }


def single(model: Artifact, n: int) -> tuple[ModelConfig, Weights]:
    """Network `n` of an ensemble, as a model of its own."""
    prefix = f"networks.{n}."
    weights = {
        key.replace(prefix, "networks.0.", 1): array for key, array in model.weights().items() if key.startswith(prefix)
    }
    config = model.config.model_copy(
        update={"combination": "single", "mirrored": False, "members": (model.config.members[n],)}
    )
    return config, weights


def _distilled(config: Config, members: Sequence[Artifact]) -> tuple[ModelConfig, Weights, dict[str, Any]]:
    from ensemble_pipeline import distill  # needs torch

    if config.distillation is None:
        raise EnsembleError("a network to distill into needs --into, --shards, --validation and --steps; give them")
    return distill.run(members, config.distillation, config.out)


def _ancestor(member: Artifact) -> str | None:
    return member.config.members[0].ancestor
