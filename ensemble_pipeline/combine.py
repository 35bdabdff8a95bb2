"""Combination of several trained networks into one model."""

from ensemble_pipeline import lineage
from ensemble_pipeline.averaging import averaged, with_mirror_images
from ensemble_pipeline.card import model_card
from ensemble_pipeline.config import CombineConfig
from ensemble_pipeline.errors import EnsembleError
from ensemble_pipeline.lineage import Selection
from ensemble_pipeline.members import check_common_ancestor, read_members
from training_pipeline import photo_credits
from upscaler import saved
from upscaler.model import artifact, find
from upscaler.model.artifact import Artifact

RECORD = "combine.json"


def run(config: CombineConfig) -> Artifact:
    """Write the ensemble. Raises EnsembleError before anything is written if the runs do not fit together."""
    members = _checked_members(config)
    jpeg_model = artifact.read(config.jpeg_model) if config.jpeg_model else None
    selected: Selection | None = None
    if config.select:
        from ensemble_pipeline import selection

        selected = selection.run(members, config.how, config.validation[0])
        members = selected.members
    metrics, learned = lineage.of(members, selected), lineage.learned(members, selected)
    sources = [member.folder for member in members]
    if config.how == "distill":
        from ensemble_pipeline import distill  # needs torch

        student = distill.run(members, config)
        model, weights = lineage.student_config(student, config.out.name), student.weights()
        metrics = lineage.of_student(student, config.out.name, members, metrics)
        learned |= student.learned()
        sources.append(student.folder)
    elif len(members) == 1:
        model, weights = members[0].config, members[0].weights()
    else:
        model, weights = averaged(members, config.how)
    if config.mirrored:
        model, weights = with_mirror_images(model, weights)
    photo_credits.collect([*sources, *([config.jpeg_model] if config.jpeg_model else [])], config.out)
    card = model_card(config.out.name, model, metrics, config.out, jpeg_model)
    ensemble = artifact.write(config.out, model, weights, metrics, card, jpeg_model, learned)
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
