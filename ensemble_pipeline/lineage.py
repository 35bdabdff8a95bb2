"""Lineage of a combined model: what its members, their warm start and its teacher were and learned from."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from operator import or_
from typing import Any

from ensemble_pipeline.members import common_warm_start, without_warm_start
from training_pipeline import dataset
from upscaler.model.artifact import Artifact, ModelConfig
from upscaler.model.learned import Learned

INHERITED = ("validation", "beginning", "selection", "training", "teacher")  # metrics of a model that is given alone


@dataclass(frozen=True)
class Selection:
    """Members that were selected, best first. `steps`: the metrics record. `pictures`: ids of those that decided."""

    members: list[Artifact]
    steps: list[dict[str, Any]]
    pictures: set[str]


def learned(members: Sequence[Artifact], selection: Selection | None) -> Learned:
    """Return the pictures that the members learned from, or that selected them."""
    of_selection = Learned.of({}, selection.pictures if selection else ())
    return reduce(or_, (member.learned() for member in members), of_selection)


def of(members: Sequence[Artifact], selection: Selection | None) -> dict[str, Any]:
    """Return the metrics of a model of these members: warm start, provenance of each network, data sets, selection."""
    metrics: dict[str, Any] = {}
    if len(members) == 1:
        metrics |= {name: value for name, value in members[0].metrics.items() if name in INHERITED}
    if start := common_warm_start(without_warm_start(members)):
        metrics["beginning"] = [member.model_dump() for member in start]
    metrics["training"] = [network for member in members for network in member.metrics.get("training", [])]
    metrics |= dataset.recorded(*(dataset.names(member.metrics) for member in members))
    if selection:
        metrics["selection"] = selection.steps
    return metrics


def of_student(
    student: Artifact, name: str, teachers: Sequence[Artifact], of_teachers: dict[str, Any]
) -> dict[str, Any]:
    """Return the metrics of a distilled model: its own, under the model's name, and what its teacher was."""
    training = [network | {"network": name} for network in student.metrics["training"]]
    networks = [network.model_dump() for teacher in teachers for network in teacher.config.members]
    datasets = dataset.recorded(dataset.names(student.metrics), dataset.names(of_teachers))
    return student.metrics | {"training": training, "teacher": of_teachers | {"members": networks}} | datasets


def student_config(student: Artifact, name: str) -> ModelConfig:
    """Return the config.json of a distilled model: one member, the student under the model's name."""
    (member,) = student.config.members
    members = (member.model_copy(update={"name": name}),)
    return student.config.model_copy(update={"combination": "distilled", "members": members, "sha256": {}})
