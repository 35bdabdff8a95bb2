"""The guard of every score: a model must not have learned from the pictures that it is scored on."""

from pathlib import Path

from feature_pipeline import duplicates
from feature_pipeline.duplicates import Pictures
from training_pipeline.errors import TrainingError
from upscaler.model.artifact import Artifact
from upscaler.model.learned import Learned
from upscaler.streams import warn

_OTHERS = "give other pictures"


def check_for_selection(model: Artifact, pictures: Pictures, name: str | Path) -> None:
    """Raise TrainingError if the model was trained on some of the pictures, by which it is to be selected.

    A picture that looks like a training picture, or like its mirror image, counts. name: of the set of pictures. A set
    may select several times, such as a run's checkpoint and then the run.
    """
    _check_training(model, model.learned(), pictures, name)


def check_for_test(model: Artifact, pictures: Pictures, name: str | Path) -> bool:
    """Raise TrainingError if the model was trained or selected on some of the pictures, by which it is to be tested.

    What its JPEG network learned from counts too. Return True if the record of the pictures is complete; warn if not.
    """
    learned = model.learned()
    if model.jpeg_model:
        learned |= model.jpeg_model.learned()
    _check_training(model, learned, pictures, name)
    _refuse(model, "was selected on", learned.was_selected_on(pictures), name)
    if not learned.complete:
        warn(f"{model.name} has no complete record of the pictures it learned from; some may be in {name}")
    return learned.complete


def _check_training(model: Artifact, learned: Learned, pictures: Pictures, name: str | Path) -> None:
    _refuse(model, "was trained on", learned.was_trained_on(pictures), name)
    alike = duplicates.alike(pictures, learned.perceptual)
    _refuse(model, "was trained on near-duplicates of", alike, name, f"{_OTHERS}, or train with these as --test")


def _refuse(model: Artifact, verb: str, shared: list[str], name: str | Path, instead: str = _OTHERS) -> None:
    if shared:
        raise TrainingError(
            f"{model.name} {verb} {len(shared)} of the pictures in {name}, such as {shared[0]}; {instead}"
        )
