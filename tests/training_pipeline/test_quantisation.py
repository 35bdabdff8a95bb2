"""Fine-tuning for int8: the simulation is what the engine computes, and the float32 network stays as it is."""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ensemble_pipeline import combine
from ensemble_pipeline.config import SHARDS, BuildConfig, CombineConfig, Distillation, How
from ensemble_pipeline.errors import EnsembleError
from feature_pipeline.config import FeatureConfig
from support.models import random_weights, write_run, write_tiny_model
from support.pictures import photo_like
from support.training_runs import small_config
from training_pipeline import batches, checkpoint, data, evaluation, quantisation, train
from training_pipeline.config import TrainingConfig
from training_pipeline.errors import TrainingError
from training_pipeline.network import Network
from training_pipeline.quantisation import ActivationRange, rounded_kernel
from training_pipeline.train import Run
from upscaler import Upscaler, metrics
from upscaler.errors import ModelError
from upscaler.model import artifact
from upscaler.model.architecture import ACTIVATION_LEVELS, KERNEL_LEVEL, Architecture, Block
from upscaler.model.artifact import Artifact, Member, ModelConfig
from upscaler.pixels import to_planes

STEPS = 30


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> TrainingConfig:
    """Return the configuration of a finished run."""
    folder = tmp_path_factory.mktemp("quantisation")
    start = write_tiny_model(folder / "float", width=8)
    fixed = {"size": "8x1", "int8": True, "init_from": str(start), "branches": False, "precision": "f32"}
    config = small_config(folder, out=folder / "int8", steps=STEPS, **fixed)
    train.run(config)
    return config


@pytest.fixture(scope="module")
def tuned(config: TrainingConfig) -> Artifact:
    return artifact.read(config.out)


def test_the_network_in_float32_stays_as_it_is(config: TrainingConfig, tuned: Artifact) -> None:
    before = artifact.read(Path(config.init_from or "")).weights()
    after = tuned.weights()
    assert before.keys() == after.keys()
    assert all((after[name] == array).all() for name, array in before.items())
    assert any((tuned.int8_weights()[name] != array).any() for name, array in before.items() if name.endswith("bias"))


@pytest.mark.parametrize("block", get_args(Block))
def test_the_engine_computes_what_training_simulates(tmp_path: Path, block: Block) -> None:
    architecture = Architecture(width=8, depth=2, block=block)
    network = Network(architecture, branches=True, int8=True).eval()
    start = random_weights(architecture, 1, seed=1)
    network.assign(start)
    picture = photo_like(40, 50)
    quantisation.calibrate(network, torch.from_numpy(to_planes(picture)))
    member = Member(name="0", parts=(), pictures=1, steps=1)
    model = ModelConfig(architecture=architecture, combination="single", members=(member,))
    written = artifact.write(tmp_path / "model", model, start, {}, "", int8=network.collapsed())
    got = Upscaler(written, "int8", window=40).upscale(picture)
    expected = evaluation.double(network, picture)
    assert metrics.score(got, expected).psnr_y > 45
    assert metrics.score(got, Upscaler(written, "f32").upscale(picture)).psnr_y > 35


def test_fine_tuning_brings_int8_nearer_to_float32(config: TrainingConfig) -> None:
    run = Run(replace(config, steps=60), data.read(config), None)
    with torch.no_grad():
        for part in run.network.modules():
            if isinstance(part, ActivationRange):
                part.ends.add_(3)  # twenty times too wide
    crops = batches.of(run.tiles.training, config)[0]
    losses = []
    for _ in range(60):
        run.loss.mean = float("nan")  # of this step alone
        run.advance(*crops)
        losses.append(run.loss.mean)
    assert losses[-1] < 0.7 * losses[0]


@pytest.mark.slow
def test_a_resumed_run_gives_the_same_network(config: TrainingConfig, tuned: Artifact) -> None:
    again = replace(config, out=config.out.parent / "again")
    half = Run(again, data.read(again), None)
    loaded = half._loaded()
    for _ in range(STEPS // 2):
        half.advance(*next(loaded))
    loaded.close()
    checkpoint.write(again.out, half._checkpoint())
    resumed = train.run(again, resume=True).int8_weights()
    assert all((resumed[name] == array).all() for name, array in tuned.int8_weights().items())


@settings(max_examples=50)
@given(low=st.floats(1e-3, 1e3), high=st.floats(1e-3, 1e3), seed=st.integers(0, 99))
def test_rounded_activations_are_levels_of_which_one_is_zero(low: float, high: float, seed: int) -> None:
    rounding = ActivationRange()
    with torch.no_grad():
        rounding.ends.copy_(torch.tensor([low, high]).log())
        step, zero = rounding.grid()
        x = torch.from_numpy(np.random.default_rng(seed).uniform(-2 * low, 2 * high, 100).astype(np.float32))
        levels = rounding(x) / step + zero
        assert rounding(torch.zeros(1)) == 0
    assert 0 <= zero <= ACTIVATION_LEVELS - 1
    torch.testing.assert_close(levels, levels.round().clamp(0, ACTIVATION_LEVELS - 1), rtol=0, atol=1e-3)
    inside = (x > -low) & (x < high)
    assert ((rounding(x) - x).abs()[inside] <= 1.01 * step).all()


def test_gradients_pass_through_rounding() -> None:
    rounding, x = ActivationRange(), torch.tensor([-5.0, 0.3, 5.0], requires_grad=True)
    rounding(x).sum().backward()
    assert x.grad is not None and rounding.ends.grad is not None
    assert x.grad.tolist() == [0, 1, 0]  # beyond the ends, only the ends learn
    assert (rounding.ends.grad != 0).all()
    kernel = torch.randn(3, 2, 3, 3, requires_grad=True)
    rounded_kernel(kernel).sum().backward()  # type: ignore[no-untyped-call]
    assert kernel.grad is not None
    assert (kernel.grad == 1).all()


def test_kernels_have_few_levels() -> None:
    kernel = torch.randn(4, 5, 3, 3)
    kernel[0] = 0
    levels = rounded_kernel(kernel) / quantisation.kernel_scale(kernel)[:, None, None, None]
    torch.testing.assert_close(levels, levels.round(), rtol=0, atol=1e-4)
    assert levels.abs().amax(dim=(1, 2, 3)).tolist() == pytest.approx([0, *[KERNEL_LEVEL] * 3])


def test_a_model_without_int8_is_refused_for_it(config: TrainingConfig) -> None:
    with pytest.raises(ModelError, match="has no network in int8; leave out --precision"):
        Upscaler(artifact.read(Path(config.init_from or "")), "int8")


def test_int8_needs_a_trained_network_of_the_same_size(config: TrainingConfig) -> None:
    with pytest.raises(TrainingError, match="--int8 fine-tunes a trained network; give it by --init-from"):
        replace(config, init_from=None)
    with pytest.raises(TrainingError, match="has the size 8x1, which --int8 keeps; give --size 8x1"):
        Run(replace(config, size="8x2"), data.read(config), None)


@pytest.mark.parametrize("mirrored", [False, True])
def test_a_model_of_one_run_keeps_int8(tuned: Artifact, tmp_path: Path, mirrored: bool) -> None:
    model = combine.run(CombineConfig((tuned.folder,), tmp_path / "model", mirrored=mirrored))
    picture = photo_like(40, 50)
    exact, rounded = (Upscaler(model, precision).upscale(picture) for precision in ("f32", "int8"))
    assert metrics.score(rounded, exact).psnr_y > 40
    assert (rounded != exact).any()


def test_a_model_without_int8_says_nothing_of_it(config: TrainingConfig) -> None:
    model = artifact.read(Path(config.init_from or ""))
    assert not model.config.int8
    assert '"int8":' not in (model.folder / "config.json").read_text()  # so that earlier versions read it


@pytest.mark.parametrize("how", get_args(How))
def test_int8_is_not_combined(how: How, tuned: Artifact, config: TrainingConfig, tmp_path: Path) -> None:
    again = shutil.copytree(tuned.folder, tmp_path / "again")
    student = Distillation(into="4x1", shards=config.shards, steps=1) if how == "distill" else Distillation()
    validation = config.validation if how == "distill" else ()
    for other in (again, Path(config.init_from or "")):
        runs = (tuned.folder, other)
        with pytest.raises(EnsembleError, match="int8 has a network in int8, which cannot be combined; combine net"):
            combine.run(CombineConfig(runs, tmp_path / "model", how, validation=validation, distillation=student))
    assert not (tmp_path / "model").exists()


def test_a_warm_start_with_int8_may_be_averaged_with_its_runs(tuned: Artifact, tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", 1, ancestor=tuned.config.sha256[artifact.WEIGHTS], width=8)
    model = combine.run(CombineConfig((tuned.folder, run), tmp_path / "model", "weights"))
    assert [member.name for member in model.config.members] == ["run"]
    assert not model.config.int8


def test_a_build_does_not_combine_int8(config: TrainingConfig) -> None:
    assert BuildConfig(FeatureConfig(("train_0",), SHARDS), config).first.int8
    with pytest.raises(EnsembleError, match="networks in int8 cannot be combined; combine networks without int8"):
        BuildConfig(FeatureConfig(("train_0", "train_1"), SHARDS), config)
