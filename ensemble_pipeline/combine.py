"""Combination of several trained networks into one model."""

from typing import Any

from ensemble_pipeline.averaging import averaged, with_mirror_images
from ensemble_pipeline.card import model_card
from ensemble_pipeline.config import CombineConfig
from ensemble_pipeline.errors import EnsembleError
from ensemble_pipeline.members import (
    check_common_ancestor,
    common_warm_start,
    read_members,
    without_warm_start,
)
from upscaler import saved
from upscaler.model import artifact, find
from upscaler.model.artifact import Artifact

RECORD = "combine.json"


def run(config: CombineConfig) -> Artifact:
    """Write the ensemble. Raises EnsembleError before anything is written if the runs do not fit together."""
    members = _checked_members(config)
    jpeg_model = artifact.read(config.jpeg_model) if config.jpeg_model else None
    warm_start = common_warm_start(without_warm_start(members))
    metrics: dict[str, Any] = {"beginning": [member.model_dump() for member in warm_start]} if warm_start else {}
    if config.select:
        from ensemble_pipeline import selection

        members, metrics["selection"] = selection.run(members, config.how, config.validation[0])
    if config.how == "distill":
        from ensemble_pipeline import distill  # needs torch

        model, weights, learned = distill.run(members, config)
        metrics |= learned
    elif len(members) == 1:
        model, weights = members[0].config, members[0].weights()
    else:
        model, weights = averaged(members, config.how)
    if config.mirrored:
        model, weights = with_mirror_images(model, weights)
    card = model_card(config.out.name, model, metrics, config.out, jpeg_model)
    ensemble = artifact.write(config.out, model, weights, metrics, card, jpeg_model)
    saved.write(config.out / RECORD, config)
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
