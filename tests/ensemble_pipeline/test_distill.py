"""Distillation: the student's output, and resuming."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch import distributed as dist
from torch.nn import functional as F

from cluster.engine import Engine
from ensemble_pipeline import averaging, build, combine, distill
from ensemble_pipeline.config import BuildConfig, CombineConfig, Distillation
from ensemble_pipeline.errors import EnsembleError
from feature_pipeline.config import FeatureConfig
from support.models import TINY, random_weights, write_run
from support.pictures import photo_like
from support.shards import write_shard
from support.torchrun import TIMEOUT, two_processes
from training_pipeline import data, ranks, train
from training_pipeline.batches import Batches
from training_pipeline.config import TrainingConfig
from training_pipeline.crops import EDGE
from training_pipeline.errors import TrainingError
from upscaler import Upscaler, bicubic
from upscaler.model import artifact
from upscaler.model.architecture import Architecture
from upscaler.model.artifact import Artifact
from upscaler.orientations import Orientation
from upscaler.pixels import Pixels, to_planes

STEPS = 60


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def write_shifting(folder: Path, seed: int, by: float) -> Artifact:
    """Write a network that shifts the brightness, which no network learns from ground truth."""
    weights = random_weights(TINY, 1, seed)
    weights["networks.0.layers.2.bias"][:] = by
    return artifact.read(write_run(folder, seed, weights=weights))


@pytest.fixture
def members(tmp_path: Path) -> list[Artifact]:
    return [write_shifting(tmp_path / f"run_{n}", n, by) for n, by in enumerate((0.05, -0.15))]


@pytest.fixture
def wanted(tmp_path: Path) -> CombineConfig:
    shards = write_shard(tmp_path / "train_0", pictures=2, tiles=1)
    validation = write_shard(tmp_path / "validation", pictures=2, tiles=1, first=10)
    student = Distillation(into="6x1", shards=(shards,), steps=STEPS, threads=1)
    return CombineConfig((), tmp_path, "distill", validation=(validation,), distillation=student)


def distilled(members: list[Artifact], wanted: CombineConfig, out: Path) -> Artifact:
    return combine.run(replace(wanted, runs=tuple(member.folder for member in members), out=out))


def shorter(wanted: CombineConfig) -> CombineConfig:
    return replace(wanted, distillation=replace(wanted.distillation, steps=2))


def brightening(model: Artifact) -> float:
    """Return how much brighter than interpolation a model's output is, in [0, 1]."""
    picture = photo_like(48, 48, seed=5) // 2 + 70
    return float(np.mean(Upscaler(model).upscale(picture).astype(float) - bicubic.double(picture))) / 255


def test_the_teacher_gives_the_mean_of_its_members(members: list[Artifact]) -> None:
    picture = photo_like(40, 40) // 2 + 70
    radius = members[0].config.architecture.radius
    planes = F.pad(torch.from_numpy(to_planes(picture)), (radius,) * 4, mode="reflect")
    learned = distill.Teacher(members)(planes)[0, :, 2 * radius : -2 * radius, 2 * radius : -2 * radius]
    alone = [Upscaler(member, precision="f32").upscale(picture).astype(float) for member in members]
    assert np.abs(255 * learned.permute(1, 2, 0).numpy() - np.mean(alone, axis=0)).max() < 1


class Enlarging(distill.Teacher):
    """A teacher that repeats every pixel and records its inputs."""

    def __init__(self) -> None:
        super().__init__(())
        self.shown: list[Tensor] = []

    def forward(self, x: Tensor) -> Tensor:
        self.shown.append(x)
        return F.interpolate(x, scale_factor=2)


def batch(picture: Pixels) -> Tensor:
    return torch.tensor(picture).permute(2, 0, 1)[None]


def test_the_teacher_gets_clean_crops_in_all_orientations_and_the_student_degraded_ones_in_one(
    wanted: CombineConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = train.TrainingConfig(
        wanted.distillation.shards, wanted.validation, tmp_path / "run", size="4x1", steps=8, threads=1
    )
    teacher, large, clean = Enlarging(), batch(photo_like(48, 48)), batch(bicubic.halve(photo_like(48, 48)))
    degraded = clean // 16 * 16  # fewer colours
    steps: list[tuple[Tensor, Tensor]] = []
    monkeypatch.setattr(train.Run, "advance", lambda _, lr_crops, hr_crops: steps.append((lr_crops, hr_crops)))
    run = distill.DistillationRun(teacher, config, data.read(config), None)
    for run.step in range(8):
        run.advance(degraded, large)
    assert all(torch.equal(x, degraded) for x, _ in steps)
    for _, target in steps:
        assert torch.allclose(target[..., 4:-4, 4:-4], F.interpolate(clean.float(), scale_factor=2)[..., 4:-4, 4:-4])
    assert len({shown.numpy().tobytes() for shown in teacher.shown}) == 8


@pytest.mark.parametrize("orientation", distill.ORIENTATIONS)
def test_tensors_are_turned_as_arrays_are(orientation: Orientation) -> None:
    planes = torch.arange(2 * 3 * 4 * 4.0).reshape(2, 3, 4, 4)
    assert np.array_equal(distill.applied(orientation, planes), orientation.apply(planes.numpy()))
    assert torch.equal(distill.undone(orientation, distill.applied(orientation, planes)), planes)


@given(seed=st.integers(0, 2**32 - 1))
def test_degradations_are_undone_by_the_filter_that_makes_lr_tiles(seed: int) -> None:
    large = np.random.default_rng(seed).integers(256, size=(24, 24, 3), dtype=np.uint8)
    clean = distill.without_degradation(batch(np.zeros((12, 12, 3), np.uint8)), batch(large))
    inner = slice(EDGE, -EDGE)
    assert torch.equal(clean[..., inner, inner], batch(bicubic.halve(large))[..., inner, inner])


def test_a_crop_of_a_clean_tile_is_left_as_it_is(wanted: CombineConfig) -> None:
    lr, hr = Batches(data.entries(wanted.distillation.shards), size=8, crop=48, seed=0)[0]
    difference = distill.without_degradation(lr, hr).int() - lr.int()
    assert difference.abs().max() <= 1  # rounding depends on the orientation


@pytest.mark.slow
def test_the_student_converges_to_the_ensemble(members: list[Artifact], wanted: CombineConfig, tmp_path: Path) -> None:
    student = distilled(members, wanted, tmp_path / "v1")
    assert brightening(student) < -0.01
    assert (student.config.combination, student.config.networks) == ("distilled", 1)
    assert student.config.architecture == Architecture(width=6, depth=1)
    assert [member.name for member in student.config.members] == ["v1"]
    assert [network["name"] for network in student.metrics["teacher"]["members"]] == ["run_0", "run_1"]
    assert student.metrics["validation"]["step"] == STEPS


@pytest.mark.slow
def test_a_finished_distillation_is_repeated_only_for_other_members(
    members: list[Artifact], wanted: CombineConfig, tmp_path: Path
) -> None:
    wanted = shorter(wanted)
    first = distilled(members, wanted, tmp_path / "v1").weights_file.read_bytes()
    logs = {path: path.stat().st_mtime_ns for path in (tmp_path / "v1").rglob("step-*.pt")}
    assert distilled(members, wanted, tmp_path / "v1").weights_file.read_bytes() == first
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "v1").rglob("step-*.pt")} == logs
    other = distilled(members[:1], replace(wanted, overwrite=True), tmp_path / "v1")  # it shifts the other way
    assert other.weights_file.read_bytes() != first


@pytest.mark.slow
def test_averaged_weights_can_be_the_teacher(members: list[Artifact], wanted: CombineConfig, tmp_path: Path) -> None:
    mean = artifact.write(tmp_path / "mean", *averaging.averaged(members, "weights"), {}, "")
    student = distilled([mean], shorter(wanted), tmp_path / "v1")
    assert [member.name for member in student.config.members] == ["v1"]
    assert [network["name"] for network in student.metrics["teacher"]["members"]] == ["run_0", "run_1"]


@pytest.mark.slow
def test_two_processes_distill_like_one(wanted: CombineConfig, tmp_path: Path) -> None:
    student = wanted.distillation
    shifts = (0.04, -0.06, 0.5)  # the last is not selected
    runs = [write_shifting(tmp_path / f"run_{n}", n, by) for n, by in enumerate(shifts)]
    command = ["combine", *(str(member.folder) for member in runs), "--out", str(tmp_path / "two"), "--select"]
    command += ["--how", "distill", "--into", student.into, "--steps", "2", "--threads", "1"]
    command += ["--shards", str(student.shards[0]), "--validation", str(wanted.validation[0])]
    with two_processes(tmp_path / "log", "ensemble_pipeline", *command) as process:
        alone = distilled(runs, replace(shorter(wanted), select=True), tmp_path / "one")
        assert process.wait(TIMEOUT) == 0, (tmp_path / "log").read_text()
    shared = artifact.read(tmp_path / "two")
    assert shared.metrics["validation"]["loss"] == pytest.approx(alone.metrics["validation"]["loss"], rel=1e-4)
    assert [network["name"] for network in shared.metrics["teacher"]["members"]] == ["run_0", "run_1"]


def test_another_process_of_a_run_takes_the_members_of_the_first(
    members: list[Artifact], wanted: CombineConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    def receive(values: list[object], src: int) -> None:
        assert src == 0
        values[:] = [members[1:]]

    folders: list[Path] = []
    monkeypatch.setattr(train, "run", lambda config, **_: folders.append(config.out))
    distill.run(members[1:], wanted)
    monkeypatch.setattr(ranks, "count", lambda: 2)
    monkeypatch.setattr(dist, "broadcast_object_list", receive)
    distill.run(members, wanted)
    assert folders[0] == folders[1]


def test_the_options_of_the_student_are_those_of_its_run(
    members: list[Artifact], wanted: CombineConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs: list[TrainingConfig] = []
    monkeypatch.setattr(train, "run", lambda config, **_: runs.append(config))
    student = replace(wanted.distillation, batch=8, crop=24, evaluate_every=30, schedule="wsd", learning_rate=2e-3)
    distill.run(members, replace(wanted, distillation=student))
    shared = vars(student).keys() & vars(runs[0]).keys()
    assert {name: getattr(runs[0], name) for name in shared} == {name: getattr(student, name) for name in shared}
    assert {"batch", "crop", "evaluate_every", "steps", "jpeg", "init_from", "threads"} <= shared


def test_pictures_of_the_validation_set_are_not_learned_from(
    members: list[Artifact], wanted: CombineConfig, tmp_path: Path
) -> None:
    with pytest.raises(TrainingError, match="are in both the training and the validation set"):
        distilled(members, replace(wanted, validation=wanted.distillation.shards), tmp_path / "v1")
    assert not (tmp_path / "v1" / "config.json").exists()


def test_distillation_needs_its_options(tmp_path: Path) -> None:
    with pytest.raises(EnsembleError, match="needs --into"):
        CombineConfig((tmp_path / "run",), tmp_path / "v1", "distill")


@pytest.mark.slow
def test_build_distills_the_networks_of_all_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(Engine, "run", lambda engine, tasks: {})  # shards and networks are made already
    for n, part in enumerate(("train_0", "train_1")):
        write_shard(tmp_path / "shards" / part, first=10 * n)
        write_run(tmp_path / "runs" / part, seed=n)
    write_shard(tmp_path / "shards/validation", first=1000)
    config = BuildConfig(
        FeatureConfig(("train_0", "train_1"), Path("shards")),
        TrainingConfig((), (Path("shards/validation"),), Path("runs"), steps=1, threads=1),
        how="distill",
        into="4x1",
        student_steps=1,
    )
    build.run(config)
    assert artifact.read(config.out).config.networks == 1
    with pytest.raises(TrainingError, match="already holds a combined model"):
        build.run(replace(config, student_steps=2))
