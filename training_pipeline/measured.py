"""Schema of what cards and lineage read in metrics.json; upscaling reads nothing of it, and needs no check."""

from typing import Any

from pydantic import BaseModel, model_validator

from training_pipeline.errors import TrainingError
from upscaler import json_files
from upscaler.json_files import JsonError
from upscaler.model.artifact import METRICS, Artifact, Member

_ABSENT: Any = None  # default of an entry that may be missing, but not null


class Validation(BaseModel):
    """Score of a network on the validation tiles."""

    psnr_y: float


class Network(BaseModel):
    """Provenance of a network; older models name no data set."""

    network: str
    data: str
    code: str
    torch: str
    device: str
    dataset: str = ""


class Step(BaseModel):
    """Member that a selection took, and the score with it."""

    member: str
    psnr_y: float


class Score(BaseModel):
    """Means over the pictures of a test set."""

    psnr_y: float
    ssim_y: float
    psnr_rgb: float
    cross_entropy_above_floor: float


class Cost(BaseModel):
    """Throughput and peak memory, in bytes."""

    megapixels_per_second: float
    memory: float


class Row(BaseModel):
    """Row of an evaluation: a method, its score and its cost."""

    name: str
    score: Score
    cost: Cost


class Test(BaseModel):
    """Evaluation of a model; `tiles` in older ones, which are means over tiles."""

    model: str
    pictures: int
    rows: list[Row]
    tiles: int = 0

    @model_validator(mode="after")
    def _check_own_row(self) -> "Test":
        if self.model not in {row.name for row in self.rows}:
            raise ValueError("it has no row of its model")
        return self


class Metrics(BaseModel):
    """Content of metrics.json."""

    validation: Validation = _ABSENT
    training: list[Network] = []
    beginning: list[Member] = []
    teacher: "Teacher" = _ABSENT
    selection: list[Step] = []
    datasets: list[str] = []
    tests: dict[str, Test] = {}
    picture: list[str] = []


class Teacher(Metrics):
    """Metrics of a student's teacher, and its networks."""

    members: list[Member]


def checked(model: Artifact) -> Artifact:
    """Return the model. Raises TrainingError if its metrics.json, or that of its JPEG network, has a wrong entry."""
    try:
        json_files.check(model.metrics, Metrics)
    except JsonError as error:
        raise TrainingError(f"{model.folder / METRICS}: {error}; write or download the model again") from error
    if model.jpeg_model:
        checked(model.jpeg_model)
    return model
