"""Device, precision and gradient accumulation of a run."""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.amp import GradScaler

from support.training_runs import small_config
from training_pipeline import batches, data, device, train
from training_pipeline.config import PrecisionName
from training_pipeline.errors import TrainingError
from training_pipeline.train import DivergedError, Run


def run_of(folder: Path, **changes: Any) -> tuple[Run, batches.Batch]:
    """Return a run before its first step, and its first batch."""
    config = small_config(folder, **changes)
    tiles = data.read(config)
    return Run(config, tiles, None), batches.of(tiles.training, config)[0]


@pytest.fixture
def another_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A machine whose precision is not known yet."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    device._fastest_on_processor.cache_clear()
    yield
    device._fastest_on_processor.cache_clear()


def weights(run: Run) -> list[Tensor]:
    return [parameter.detach().clone() for parameter in run.network.parameters()]


@pytest.mark.parametrize("parts", [2, 6])
def test_accumulated_gradients_are_those_of_the_whole_batch(tmp_path: Path, parts: int) -> None:
    gradients: list[list[Tensor]] = []
    for accumulate in (1, parts):
        run, batch = run_of(tmp_path, batch=6, accumulate=accumulate, precision="f32")
        run.advance(*batch)
        gradients.append([parameter.grad for parameter in run.network.parameters() if parameter.grad is not None])
    assert sum(gradient.norm() for gradient in gradients[0]) > 0
    for whole, added in zip(*gradients, strict=True):
        torch.testing.assert_close(added, whole, rtol=1e-4, atol=1e-6)


def test_a_batch_without_equal_parts_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="--batch 6 has no 4 equal parts; give a multiple of --accumulate"):
        small_config(tmp_path, batch=6, accumulate=4)


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_a_step_in_half_precision_is_near_that_in_float32(tmp_path: Path, precision: PrecisionName) -> None:
    (exact, batch), (half, _) = (run_of(tmp_path, precision=name) for name in ("f32", precision))
    for run in (exact, half):
        run.advance(*batch)
    assert half.loss.mean == pytest.approx(exact.loss.mean, rel=0.02)
    grads = [
        torch.cat([one.grad.flatten() for one in run.network.parameters() if one.grad is not None])
        for run in (exact, half)
    ]
    assert torch.cosine_similarity(grads[0], grads[1], dim=0) > 0.99
    assert not torch.equal(grads[0], grads[1])  # the losses of a first step can be equal by chance


def test_a_step_whose_gradients_overflow_is_skipped_at_a_high_scale_only(tmp_path: Path) -> None:
    run, batch = run_of(tmp_path, precision="fp16")
    before = weights(run)
    run.scaler = GradScaler("cpu", init_scale=1e38)
    run.advance(*batch)
    assert all(map(torch.equal, before, weights(run)))
    assert run.scaler.get_scale() < 1e38
    assert math.isfinite(run.loss.mean)
    run.scaler = GradScaler("cpu", init_scale=1.0)
    batch = (batch[0] * math.inf, batch[1])
    with pytest.raises(DivergedError, match="start another run with a lower --learning-rate"):
        run.advance(*batch)
    assert all(map(torch.equal, before, weights(run)))


@pytest.mark.parametrize("overflow", [math.inf, math.nan])
def test_a_kernel_whose_gradient_overflows_skips_the_step_of_all_optimisers(tmp_path: Path, overflow: float) -> None:
    run, batch = run_of(tmp_path, precision="fp16", optimiser="muon")
    before, scale = weights(run), run.scaler.get_scale()
    kernel = run.optimisers["muon"].param_groups[0]["params"][0]
    hook = kernel.register_hook(lambda gradient: torch.full_like(gradient, overflow))
    run.advance(*batch)
    assert all(map(torch.equal, before, weights(run)))
    assert not any(optimiser.state for optimiser in run.optimisers.values())
    assert run.scaler.get_scale() < scale
    hook.remove()
    run.advance(*batch)
    assert not any(map(torch.equal, before, weights(run)))


def test_the_scale_of_gradients_is_kept_in_checkpoints(tmp_path: Path) -> None:
    run, batch = run_of(tmp_path, precision="fp16")
    run.scaler = GradScaler("cpu", init_scale=1e38)
    run.advance(*batch)
    resumed = Run(run.config, run.tiles, run._checkpoint())
    assert resumed.scaler.get_scale() == run.scaler.get_scale()


def test_a_device_that_is_missing_is_refused_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    config = small_config(tmp_path, device="cuda")
    with pytest.raises(TrainingError, match="torch finds no CUDA device; leave out --device, or give --device cpu"):
        train.run(config)
    assert not config.out.exists()
    assert device.chosen("auto") == device.chosen("cpu") == torch.device("cpu")


def test_gpus_without_bfloat16_multiply_float16(monkeypatch: pytest.MonkeyPatch) -> None:
    for has, precision in ((True, "bf16"), (False, "fp16")):
        monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation, has=has: has)
        assert device.fastest_precision(torch.device("cuda")) == precision


@pytest.mark.parametrize(
    ("instructions", "seconds", "expected"),
    [
        ({}, {"f32": 1.0, "bf16": 0.1}, "f32"),  # emulated
        ({"avx512_bf16": True}, {"f32": 1.0, "bf16": 1.4}, "f32"),
        ({"avx512_bf16": True}, {"f32": 1.0, "bf16": 0.9}, "f32"),  # within the margin
        ({"avx512_bf16": True}, {"f32": 1.0, "bf16": 0.5}, "bf16"),
        ({"amx_bf16": True}, {"f32": 1.0, "bf16": 0.5}, "bf16"),
    ],
)
def test_processors_train_in_what_was_measured_to_be_faster(
    another_machine: None,
    monkeypatch: pytest.MonkeyPatch,
    instructions: dict[str, bool],
    seconds: dict[str, float],
    expected: str,
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: instructions)
    monkeypatch.setattr(device, "_seconds", seconds.__getitem__)
    assert device.fastest_precision(torch.device("cpu")) == expected


def test_runs_on_one_machine_agree_whatever_each_would_measure(
    another_machine: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": True})
    for seconds in (0.5, 1.4):
        monkeypatch.setattr(device, "_seconds", {"f32": 1.0, "bf16": seconds}.__getitem__)
        device._fastest_on_processor.cache_clear()  # as in another process
        assert device.fastest_precision(torch.device("cpu")) == "bf16"


def test_the_measurement_takes_time_in_each_precision() -> None:
    assert min(device._seconds("f32"), device._seconds("bf16")) > 0
