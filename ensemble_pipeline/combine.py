"""Several trained networks in, one model out."""

from typing import Any

from ensemble_pipeline.averaging import averaged, with_mirror_images
from ensemble_pipeline.card import model_card
from ensemble_pipeline.config import CombineConfig
from ensemble_pipeline.errors import EnsembleError
from ensemble_pipeline.members import (
    check_common_ancestor,
    common_beginning,
    read_members,
    without_beginning,
)
from upscaler import saved
from upscaler.model import artifact, find
from upscaler.model.artifact import Artifact

RECORD = "combine.json"


def run(config: CombineConfig) -> Artifact:
    """Write the ensemble. Raises EnsembleError if the runs do not fit together, before anything is written."""
    members = _checked_members(config)
    jpeg_model = artifact.read(config.jpeg_model) if config.jpeg_model else None
    beginning = common_beginning(without_beginning(members))
    metrics: dict[str, Any] = {"beginning": [member.model_dump() for member in beginning]} if beginning else {}
    if config.select:
        from ensemble_pipeline import selection

        members, metrics["selection"] = selection.run(members, config.how, config.validation[0])
    if config.how == "distill":
        from ensemble_pipeline import distill  # needs torch

        model, weights, learned = distill.run(members, config)
        metrics |= learned
    elif len(members) == 1 and members[0].config.combination != "single":
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
        raise EnsembleError(f"{config.out} is a model that ships, which no command changes; give another --out")
    if config.out.resolve() in {run.resolve() for run in config.runs}:
        raise EnsembleError(f"{config.out} is one of the runs, which would be overwritten; give another --out")
    if config.jpeg_model and config.out.resolve() == config.jpeg_model.resolve():
        raise EnsembleError(f"{config.out} is the model for JPEGs, which would be overwritten; give another --out")
    members = read_members(config.runs, config.how)
    if config.how == "weights":
        check_common_ancestor(members)
    return members
