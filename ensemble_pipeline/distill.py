"""Distillation: a training run with an ensemble's output as ground truth."""

import hashlib
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn

from ensemble_pipeline.config import CombineConfig
from feature_pipeline import shards
from training_pipeline import data, device, train, unseen
from training_pipeline.checkpoint import Checkpoint
from training_pipeline.config import TrainingConfig
from training_pipeline.crops import EDGE
from training_pipeline.data import Tiles
from training_pipeline.folder import DISTILLATION
from training_pipeline.network import Network
from upscaler.bicubic import halve
from upscaler.model import artifact
from upscaler.model.artifact import Artifact
from upscaler.orientations import Orientation
from upscaler.pixels import Planes

ORIENTATIONS = tuple(Orientation)


class Teacher(nn.Module):
    """The averaged output of several networks: N3HW in [0, 1] to N3(2H)(2W)."""

    def __init__(self, members: Sequence[Artifact]) -> None:
        super().__init__()
        self.networks = nn.ModuleList(_network(member) for member in members)

    @torch.no_grad()
    def forward(self, x: Tensor) -> Tensor:
        return torch.stack([network(x) for network in self.networks]).mean(dim=0)


class DistillationRun(train.Run):
    """A run with the teacher's output as ground truth; scores are against the HR tiles.

    The teacher gets the crops without the degradations (noise, JPEG) and, at each step, in another of the 8 flips and
    rotations. Its errors that depend on the orientation are noise to the student, which converges to the teacher's
    self-ensemble at the cost of one pass.

    D. Lopez-Paz et al., "Unifying distillation and privileged information", ICLR 2016.
    """

    def __init__(self, teacher: Teacher, config: TrainingConfig, tiles: Tiles, start: Checkpoint | None) -> None:
        super().__init__(config, tiles, start)
        self.teacher = self.compiled(teacher.to(memory_format=self.layout).to(self.device))

    def advance(self, lr_crops: Tensor, hr_crops: Tensor) -> None:
        """Take one step on the LR crops (uint8, N3cc) towards the teacher's output for the clean crops."""
        orientation = ORIENTATIONS[self.step % len(ORIENTATIONS)]
        x = _oriented(orientation.apply, without_degradation(lr_crops, hr_crops)).to(self.device) / 255
        with device.autocast(self.device, self.precision):
            output = self.teacher(x.contiguous(memory_format=self.layout))
        super().advance(lr_crops, 255 * _oriented(orientation.undo, output))


def run(members: Sequence[Artifact], config: CombineConfig) -> Artifact:
    """Train the student in a folder inside `config.out`, or resume a run of the same configuration; return its run.

    Raises TrainingError, FeatureError or ModelError, as training does, and if a teacher was trained on validation
    pictures.
    """
    wanted = config.distillation
    held_out = shards.pictures(data.entries(config.validation))
    for member in members:
        unseen.check_for_selection(member, held_out, "the validation set")
    run_config = TrainingConfig(
        wanted.shards,
        config.validation,
        config.out / f"{DISTILLATION}-{fingerprint(members)}",
        size=wanted.into,
        steps=wanted.steps,
        init_from=wanted.init_from,
        jpeg=wanted.jpeg,
        learning_rate=wanted.learning_rate,
        schedule=wanted.schedule,
        branches=False,
        optimiser="muon",
        loss="luma",
        threads=wanted.threads,
        checkpoint_every=wanted.checkpoint_every,
    )
    return train.run(run_config, resume=True, make_run=partial(DistillationRun, Teacher(members)))


def fingerprint(members: Sequence[Artifact]) -> str:
    """Return 8 digits that identify the members, so that no run resumes with another teacher."""
    weights = "".join(member.config.sha256[artifact.WEIGHTS] for member in members)
    return hashlib.sha256(weights.encode()).hexdigest()[:8]


def without_degradation(lr_crops: Tensor, hr_crops: Tensor) -> Tensor:
    """Downscale the HR crops again (uint8, N3cc and N3(2c)(2c)), which undoes noise and JPEG compression.

    The border of `EDGE` pixels stays, because the crop lacks part of the filter's support there.
    """
    halved = np.stack([halve(crop) for crop in hr_crops.permute(0, 2, 3, 1).numpy(force=True)])
    clean, inner = lr_crops.clone(), slice(EDGE, -EDGE)
    clean[..., inner, inner] = torch.from_numpy(halved).permute(0, 3, 1, 2)[..., inner, inner].to(clean.device)
    return clean


def _oriented(transform: Callable[[Planes], Planes], planes: Tensor) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(transform(planes.numpy(force=True))))


def _network(member: Artifact) -> Network:
    network = Network(member.config.architecture, branches=False).eval()
    network.assign(member.weights())
    return network
