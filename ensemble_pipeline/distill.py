"""One network trained to give what an ensemble gives: a training run with the ensemble in place of the truth."""

import hashlib
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ensemble_pipeline.config import CombineConfig
from ensemble_pipeline.members import config_for
from training_pipeline import device, train
from training_pipeline.checkpoint import Checkpoint
from training_pipeline.config import TrainingConfig
from training_pipeline.data import EDGE, Tiles
from training_pipeline.network import Network
from upscaler.bicubic import halve
from upscaler.model import artifact
from upscaler.model.architecture import Weights
from upscaler.model.artifact import Artifact, ModelConfig
from upscaler.orientations import Orientation
from upscaler.pixels import Planes

ORIENTATIONS = tuple(Orientation)
RUN = "distillation"  # the run's folder, inside that of the model, and what it learns from


class Teacher(nn.Module):
    """The mean of several networks' outputs: N3HW in [0, 1] to N3(2H)(2W)."""

    def __init__(self, members: Sequence[Artifact]) -> None:
        super().__init__()
        self.networks = nn.ModuleList(_network(member) for member in members)

    @torch.no_grad()
    def forward(self, x: Tensor) -> Tensor:
        return torch.stack([network(x) for network in self.networks]).mean(dim=0)


class DistillationRun(train.Run):
    """A run whose truth is what the teacher makes of the crops; it is scored against the large tiles.

    The teacher sees the crops as they were before noise and compression were added, and at every step in another of
    their eight flips and turns. What it gets wrong because of where it looks from is then noise to the student, who
    comes to the mean over all eight at the price of one.

    D. Lopez-Paz et al., "Unifying distillation and privileged information", ICLR 2016.
    """

    def __init__(self, teacher: Teacher, config: TrainingConfig, tiles: Tiles, start: Checkpoint | None) -> None:
        super().__init__(config, tiles, start)
        self.teacher = self.compiled(teacher.to(memory_format=self.layout).to(self.device))

    def advance(self, small: Tensor, large: Tensor) -> None:
        """Take one step on the small crops (uint8, N3cc), the teacher on the large ones halved."""
        orientation = ORIENTATIONS[self.step % len(ORIENTATIONS)]
        seen = _turned(orientation.apply, undamaged(small, large)).to(self.device) / 255
        with device.autocast(self.device, self.bfloat16):
            taught = self.teacher(seen.contiguous(memory_format=self.layout))
        super().advance(small, 255 * _turned(orientation.undo, taught))


def run(members: Sequence[Artifact], config: CombineConfig) -> tuple[ModelConfig, Weights, dict[str, Any]]:
    """Train the student, in a folder inside `config.out`; a run of the same configuration that was stopped goes on.

    Returns the model and the metrics of its training. Raises TrainingError, FeatureError or ModelError, as training
    does.
    """
    wanted = config.distillation
    run_config = TrainingConfig(
        wanted.shards,
        config.validation,
        config.out / f"{RUN}-{fingerprint(members)}",
        size=wanted.into,
        steps=wanted.steps,
        init_from=wanted.init_from,
        jpeg=wanted.jpeg,
        learning_rate=wanted.learning_rate,
        branches=False,
        optimiser="muon",
        loss="luma",
        threads=wanted.threads,
    )
    student = train.run(run_config, resume=True, begin=partial(DistillationRun, Teacher(members)))
    return config_for(members, "distilled", student.config.architecture), student.weights(), student.metrics


def fingerprint(members: Sequence[Artifact]) -> str:
    """Digits that differ for other members, so that no run goes on with another teacher."""
    weights = "".join(member.config.sha256[artifact.WEIGHTS] for member in members)
    return hashlib.sha256(weights.encode()).hexdigest()[:8]


def undamaged(small: Tensor, large: Tensor) -> Tensor:
    """The small crops as the large ones halved, uint8, N3cc and N3(2c)(2c): without what augmentation added to them.

    Near its edges a crop knows too little of what was around it, so there they stay as they are.
    """
    halved = np.stack([halve(crop) for crop in large.permute(0, 2, 3, 1).numpy()])
    clean, inner = small.clone(), slice(EDGE, -EDGE)
    clean[..., inner, inner] = torch.from_numpy(halved).permute(0, 3, 1, 2)[..., inner, inner]
    return clean


def _turned(turn: Callable[[Planes], Planes], planes: Tensor) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(turn(planes.numpy(force=True))))


def _network(member: Artifact) -> Network:
    network = Network(member.config.architecture, branches=False).eval()
    network.assign(member.weights())
    return network
