"""Several trained networks in, one model out."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ensemble_pipeline.averaging import averaged, with_mirror_images
from ensemble_pipeline.card import model_card
from ensemble_pipeline.errors import EnsembleError
from ensemble_pipeline.members import (
    How,
    check_common_ancestor,
    common_beginning,
    read_members,
    without_beginning,
)
from upscaler.atomic import write_text
from upscaler.model import artifact, find
from upscaler.model.architecture import Weights
from upscaler.model.artifact import Artifact, ModelConfig

if TYPE_CHECKING:  # brings torch, which takes seconds to load
    from ensemble_pipeline.distill import Distillation

RECORD = "combine.json"


@dataclass(frozen=True)
class CombineConfig:
    """Which runs become one model, and how: the mean of their outputs or weights, or a network that learns the first.

    select: tile shards, on which only those of the runs are chosen that help. mirrored: the mean over the picture and
    its mirror image, at twice the cost. jpeg_model: the model for JPEG input.
    """

    runs: tuple[Path, ...]
    out: Path
    how: How
    select: Path | None = None
    distillation: "Distillation | None" = None
    mirrored: bool = False
    jpeg_model: Path | None = None


def run(config: CombineConfig) -> Artifact:
    """Write the ensemble. Raises EnsembleError if the runs do not fit together, before anything is written."""
    members = _checked_members(config)
    jpeg_model = artifact.read(config.jpeg_model) if config.jpeg_model else None
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
    card = model_card(config.out.name, model, metrics, config.out, jpeg_model)
    ensemble = artifact.write(config.out, model, weights, metrics, card, jpeg_model)
    write_text(config.out / RECORD, json.dumps(asdict(config), indent=2, default=str) + "\n")
    return ensemble


def _checked_members(config: CombineConfig) -> list[Artifact]:
    if find.is_bundled(config.out):
        raise EnsembleError(f"{config.out} is a model that ships, which no command changes; give another --out")
    if config.out.resolve() in {run.resolve() for run in config.runs}:
        raise EnsembleError(f"{config.out} is one of the runs, which would be overwritten; give another --out")
    if config.jpeg_model and config.out.resolve() == config.jpeg_model.resolve():
        raise EnsembleError(f"{config.out} is the model for JPEGs, which would be overwritten; give another --out")
    members = read_members(config.runs, config.how)
    if config.how == "weights":
        check_common_ancestor(members)
    return members


def _distilled(config: CombineConfig, members: Sequence[Artifact]) -> tuple[ModelConfig, Weights, dict[str, Any]]:
    from ensemble_pipeline import distill  # needs torch

    if config.distillation is None:
        raise EnsembleError("a network to distill into needs --into, --shards, --validation and --steps; give them")
    return distill.run(members, config.distillation, config.out)
