"""Distillation: a training run with an ensemble's output as ground truth."""

import hashlib
from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ensemble_pipeline.config import CombineConfig
from feature_pipeline import shards
from training_pipeline import data, device, ranks, train, unseen
from training_pipeline.checkpoint import Checkpoint
from training_pipeline.config import TrainingConfig
from training_pipeline.crops import EDGE
from training_pipeline.data import Tiles
from training_pipeline.folder import DISTILLATION
from training_pipeline.network import Network
from upscaler.model import artifact
from upscaler.model.architecture import SCALE
from upscaler.model.artifact import Artifact
from upscaler.orientations import Orientation

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
        lr_crops, hr_crops = (device.sent(side, self.device) for side in (lr_crops, hr_crops))
        x = applied(orientation, without_degradation(lr_crops, hr_crops)) / 255
        with device.autocast(self.device, self.precision):
            output = self.teacher(x.contiguous(memory_format=self.layout))
        super().advance(lr_crops, 255 * undone(orientation, output.float()))


def run(members: Sequence[Artifact], config: CombineConfig) -> Artifact:
    """Train the student in a folder inside `config.out`, or resume a run of the same configuration; return its run.

    Processes that share the run take the first one's members. Raises TrainingError, FeatureError or ModelError, as
    training does, and if a teacher was trained on validation pictures.
    """
    wanted, members = config.distillation, ranks.of_first(members)  # which alone selects them
    held_out = shards.pictures(data.entries(config.validation))
    for member in members:
        unseen.check_for_selection(member, held_out, "the validation set")
    run_config = TrainingConfig(
        wanted.shards,
        config.validation,
        config.out / f"{DISTILLATION}-{fingerprint(members)}",
        test=wanted.test,
        size=wanted.into,
        steps=wanted.steps,
        init_from=wanted.init_from,
        jpeg=wanted.jpeg,
        batch=wanted.batch,
        crop=wanted.crop,
        learning_rate=wanted.learning_rate,
        schedule=wanted.schedule,
        branches=False,
        optimiser="muon",
        loss="luma",
        threads=wanted.threads,
        checkpoint_every=wanted.checkpoint_every,
        evaluate_every=wanted.evaluate_every,
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
    (height, width), halved = hr_crops.shape[-2:], hr_crops
    for size in ((height, width // SCALE), (height // SCALE, width // SCALE)):  # Pillow rounds after each direction
        halved = _to_levels(F.interpolate(halved.float(), size, mode="bicubic", antialias=True))
    clean, inner = lr_crops.clone(), slice(EDGE, -EDGE)
    clean[..., inner, inner] = halved[..., inner, inner]
    return clean


def _to_levels(planes: Tensor) -> Tensor:
    return (planes + 0.5).floor().clamp(0, 255).to(torch.uint8)  # halves up, as Pillow rounds


def applied(orientation: Orientation, planes: Tensor) -> Tensor:
    """Flip and rotate planes, NCHW, as `Orientation.apply` does, on their device."""
    transposed, *flips = orientation.value
    return _flipped(planes.mT if transposed else planes, flips)


def undone(orientation: Orientation, planes: Tensor) -> Tensor:
    """Reverse `applied`."""
    transposed, *flips = orientation.value
    planes = _flipped(planes, flips)
    return planes.mT if transposed else planes


def _flipped(planes: Tensor, flips: list[bool]) -> Tensor:
    return planes.flip([axis for axis, flip in zip((-2, -1), flips, strict=True) if flip])


def _network(member: Artifact) -> Network:
    network = Network(member.config.architecture, branches=False).eval()
    network.assign(member.weights())
    return network
