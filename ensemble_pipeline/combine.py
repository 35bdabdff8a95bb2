"""Combination of several trained networks into one model."""

from ensemble_pipeline import lineage
from ensemble_pipeline.averaging import averaged, with_mirror_images
from ensemble_pipeline.card import description, model_card
from ensemble_pipeline.config import BuildConfig, CombineConfig
from ensemble_pipeline.errors import EnsembleError
from ensemble_pipeline.lineage import Selection
from ensemble_pipeline.members import check_common_ancestor, read_members
from training_pipeline import photo_credits
from training_pipeline.folder import BUILD, COMBINATION, Kind, claimed
from training_pipeline.measured import checked
from upscaler import saved
from upscaler.links import followed
from upscaler.model import artifact
from upscaler.model.architecture import Weights
from upscaler.model.artifact import Artifact


def run(config: CombineConfig, build: BuildConfig | None = None) -> Artifact:
    """Write the model and print what it is. Processes of torchrun share a distillation; the first one writes.

    build: the build that makes the model, recorded beside it. Raises EnsembleError before anything is written if the
    runs do not fit together, TrainingError if `config.out` holds a model of other runs or options.
    """
    if config.how != "distill":
        return _combined(config, build)
    from ensemble_pipeline import distill  # needs torch
    from training_pipeline import ranks

    with ranks.joined():
        return _combined(config, build) if ranks.is_first() else distill.run(_checked_members(config), config)


def _combined(config: CombineConfig, build: BuildConfig | None) -> Artifact:
    members = _checked_members(config)
    jpeg_model = checked(artifact.read(config.jpeg_model)) if config.jpeg_model else None
    with claimed(config.out, lambda found: found is Kind.COMBINED and _is_same(config), config.overwrite):
        model = _written(config, members, jpeg_model)
        if build:
            saved.write(config.out / BUILD, build)
        saved.write(config.out / COMBINATION, config)
    print(sentence(config, model))
    return model


def _is_same(config: CombineConfig) -> bool:
    """Return True if the model in the folder was made with the same options."""
    return saved.matches(config.out / COMBINATION, config, but=("out", "overwrite"))


def _written(config: CombineConfig, members: list[Artifact], jpeg_model: Artifact | None) -> Artifact:
    selected: Selection | None = None
    if config.select:
        from ensemble_pipeline import selection

        selected = selection.run(members, config.how, config.validation)
        members = selected.members
    metrics, learned = lineage.of(members, selected), lineage.learned(members, selected)
    sources = [member.folder for member in members]
    int8: Weights | None = None
    if config.how == "distill":
        from ensemble_pipeline import distill  # needs torch

        student = distill.run(members, config)
        model, weights = lineage.student_config(student, config.out.name), student.weights()
        metrics = lineage.of_student(student, config.out.name, members, metrics)
        learned |= student.learned()
        sources.append(student.folder)
    elif len(members) == 1:
        model, weights = members[0].config, members[0].weights()
        int8 = members[0].int8_weights() if model.int8 else None
    else:
        model, weights = averaged(members, config.how)
    if config.mirrored:
        int8 = with_mirror_images(model, int8)[1] if int8 else None
        model, weights = with_mirror_images(model, weights)
        metrics.pop("validation", None)  # the score of the network without its mirror image
    photo_credits.collect([*sources, *([config.jpeg_model] if config.jpeg_model else [])], config.out)
    card = model_card(config.out.name, model, metrics, config.out, jpeg_model, learned)
    return artifact.write(config.out, model, weights, metrics, card, jpeg_model, learned, int8)


def sentence(config: CombineConfig, model: Artifact) -> str:
    """Say what was made, and how good it is, if that was measured."""
    made = f"{config.out}: {description(model.config, model.metrics)}"
    if row := model.metrics.get("validation"):
        return f"{made}; {row['psnr_y']:.2f} dB PSNR (Y) on the validation tiles"
    if (steps := model.metrics.get("selection")) and not config.mirrored:
        return f"{made}; {steps[-1]['psnr_y']:.2f} dB PSNR (Y) on the validation tiles it was selected by"
    return f"{made}; measure it with python -m ensemble_pipeline evaluate {config.out}"


def _checked_members(config: CombineConfig) -> list[Artifact]:
    if followed(config.out) in {followed(run) for run in config.runs}:
        raise EnsembleError(f"{config.out} is one of the runs, which would be overwritten; give another --out")
    if config.jpeg_model and followed(config.out) == followed(config.jpeg_model):
        raise EnsembleError(f"{config.out} is the JPEG network, which would be overwritten; give another --out")
    members = read_members(config.runs, config.how)
    if config.how == "weights":
        check_common_ancestor(members)
    if config.select:
        from ensemble_pipeline import selection

        selection.jpeg_quality(members, config.how)
    return members
