"""The guard of every score: a model must not have learned from the pictures that it is scored on."""

import sys
from collections.abc import Collection

from training_pipeline.errors import TrainingError
from upscaler.model.artifact import Artifact


def check_for_selection(model: Artifact, pictures: Collection[str], name: str) -> None:
    """Raise TrainingError if the model was trained on some of the pictures, by which it is to be selected.

    pictures: ids. name: of their set. A set may select several times, such as a run's checkpoint and then the run.
    """
    _refuse(model, model.learned().was_trained_on(pictures), "was trained on", name)


def check_for_test(model: Artifact, pictures: Collection[str], name: str) -> bool:
    """Raise TrainingError if the model was trained or selected on some of the pictures, by which it is to be tested.

    The pictures of its JPEG network count too. Return True if the record of the pictures is complete; warn otherwise.
    """
    learned = model.learned()
    if model.jpeg_model:
        learned |= model.jpeg_model.learned()
    _refuse(model, learned.was_trained_on(pictures), "was trained on", name)
    _refuse(model, learned.was_selected_on(pictures), "was selected on", name)
    if not learned.complete:
        print(
            f"warning: {model.name} has no complete record of the pictures it learned from; some may be in {name}",
            file=sys.stderr,
        )
    return learned.complete


def _refuse(model: Artifact, shared: list[str], verb: str, name: str) -> None:
    if shared:
        raise TrainingError(
            f"{model.name} {verb} {len(shared)} of the pictures in {name}, such as {shared[0]}; give other pictures"
        )
