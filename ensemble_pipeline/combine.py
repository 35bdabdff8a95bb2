"""Combination of several trained networks into one model."""

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
    common_warm_start,
    read_members,
    without_warm_start,
)
from upscaler.atomic import write_text
from upscaler.model import artifact, find
from upscaler.model.architecture import Weights
from upscaler.model.artifact import Artifact, ModelConfig

if TYPE_CHECKING:  # loads torch, which takes seconds
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
    """Write the ensemble. Raises EnsembleError before anything is written if the runs do not fit together."""
    members = _checked_members(config)
    jpeg_model = artifact.read(config.jpeg_model) if config.jpeg_model else None
    warm_start = common_warm_start(without_warm_start(members))
    metrics: dict[str, Any] = {"beginning": [member.model_dump() for member in warm_start]} if warm_start else {}
    if config.select:
        from ensemble_pipeline import selection

        members, metrics["selection"] = selection.run(members, config.how, config.select)
    if config.how == "distill":
        model, weights, trained = _distilled(config, members)
        metrics |= trained
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
        raise EnsembleError(f"{config.out} is a bundled model, which no command changes; give another --out")
    if config.out.resolve() in {run.resolve() for run in config.runs}:
        raise EnsembleError(f"{config.out} is one of the runs, which would be overwritten; give another --out")
    if config.jpeg_model and config.out.resolve() == config.jpeg_model.resolve():
        raise EnsembleError(f"{config.out} is the JPEG network, which would be overwritten; give another --out")
    members = read_members(config.runs, config.how)
    if config.how == "weights":
        check_common_ancestor(members)
    return members


def _distilled(config: CombineConfig, members: Sequence[Artifact]) -> tuple[ModelConfig, Weights, dict[str, Any]]:
    from ensemble_pipeline import distill  # needs torch

    if config.distillation is None:
        raise EnsembleError("distillation needs --into, --shards, --validation and --steps; give all of them")
    return distill.run(members, config.distillation, config.out)
