"""Vulkan engine and choice of a device, on Mesa's software Vulkan where there is no GPU."""

import logging
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import get_args

import ncnn
import numpy as np
import pytest
from PIL import Image

from support.models import write_tiny_model
from support.pictures import photo_like
from upscaler import Upscaler
from upscaler.__main__ import main
from upscaler.engines import devices, vulkan_engine
from upscaler.engines.devices import Gpu, gpus
from upscaler.engines.ncnn_engine import NcnnEngine
from upscaler.engines.ncnn_graph import RESIDUAL
from upscaler.engines.vulkan_engine import VulkanEngine, in_flight
from upscaler.errors import GpuError, OptionError
from upscaler.model import find
from upscaler.model.architecture import Block
from upscaler.model.artifact import Artifact
from upscaler.pixels import Planes, to_planes

FP16_ERROR = 0.02  # as of bf16
SIDE = 30  # of the windows with their halo


@pytest.fixture(scope="module")
def gpu() -> Gpu:
    if not gpus():
        pytest.skip("no Vulkan device; install mesa-vulkan-drivers and libvulkan1")
    return gpus()[0]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    return find.model(str(write_tiny_model(tmp_path_factory.mktemp("models") / "tiny")))


@pytest.fixture(scope="module")
def on_gpu(model: Artifact, gpu: Gpu) -> Upscaler:
    return Upscaler(model, window=24, gpu=gpu)


def pictures(count: int) -> list[Planes]:
    return [to_planes(photo_like(SIDE, SIDE, seed)) for seed in range(count)]


def saved(folder: Path, name: str = "a.png") -> Path:
    Image.fromarray(photo_like(12, 16)).save(folder / name)
    return folder / name


@pytest.mark.slow
@pytest.mark.parametrize("networks", [1, 2])
@pytest.mark.parametrize("block", get_args(Block))
def test_a_gpu_computes_the_network(tmp_path: Path, gpu: Gpu, block: Block, networks: int) -> None:
    model = find.model(str(write_tiny_model(tmp_path / "tiny", networks, block=block)))
    inputs = pictures(7)
    outputs = [(n, planes.copy()) for n, planes in VulkanEngine(model, SIDE, gpu).run(enumerate(inputs))]
    assert [n for n, _ in outputs] == list(range(7))
    for (_, got), (_, exact) in zip(outputs, NcnnEngine(model, SIDE).run(enumerate(inputs)), strict=True):
        assert np.abs(got - exact).max() < FP16_ERROR


def test_windows_on_a_gpu_give_the_whole_picture(on_gpu: Upscaler, gpu: Gpu) -> None:
    picture = photo_like(41, 53)
    whole = Upscaler(on_gpu.model, window=53, gpu=gpu).upscale(picture).astype(int)
    difference = np.abs(on_gpu.upscale(picture) - whole)
    assert difference.max() <= 1
    assert np.count_nonzero(difference) <= difference.size / 1000


def test_a_gpu_accepts_transposed_inputs(model: Artifact, gpu: Gpu) -> None:
    inputs = pictures(6)
    turned = [np.ascontiguousarray(planes.swapaxes(2, 3)).swapaxes(2, 3) for planes in inputs]
    engine = VulkanEngine(model, SIDE, gpu)
    expected, got = ([planes.copy() for _, planes in engine.run(enumerate(each))] for each in (inputs, turned))
    np.testing.assert_array_equal(got, expected)


def test_a_gpu_computes_the_self_ensemble(on_gpu: Upscaler) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (9, 14, 3), np.uint8)
    on_cpu = Upscaler(on_gpu.model, "f32").upscale(noise, flips=True)
    assert np.abs(on_gpu.upscale(noise, flips=True).astype(int) - on_cpu).max() < 255 * FP16_ERROR


def test_flat_stays_flat_and_neutral_stays_neutral_on_a_gpu(on_gpu: Upscaler) -> None:
    page = np.full((50, 40, 3), 255, np.uint8)
    page[:8, :8] = photo_like(8, 8)[:, :, :1]
    doubled = on_gpu.upscale(page)
    assert (doubled == doubled[:, :, :1]).all()
    reach = 2 * (8 + on_gpu.model.config.architecture.radius)
    assert (doubled[reach:] == 255).all()
    assert (doubled[:reach, :reach] != 255).any()


def test_16_bits_are_not_rounded_to_fp16(on_gpu: Upscaler) -> None:
    ramp = np.linspace(60_000, 60_400, 400).astype(np.uint16)  # 13 levels of fp16
    picture = np.broadcast_to(ramp[np.newaxis, :, np.newaxis], (4, 400, 3))
    assert len(np.unique(on_gpu.upscale(picture))) > 100


@pytest.mark.parametrize("healthy", [0, 1, 6])
def test_windows_of_a_lost_gpu_are_computed_by_the_cpu(
    model: Artifact, gpu: Gpu, healthy: int, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    inputs, engine, extract, calls = pictures(12), VulkanEngine(model, SIDE, gpu), vulkan_engine._extract, [0]

    def lost(network: ncnn.Net, output: str, mats: dict[str, ncnn.Mat]) -> ncnn.Mat:
        calls[0] += output == RESIDUAL
        return extract(network, "nothing" if calls[0] > healthy else output, mats)  # for "nothing", ncnn returns -1

    monkeypatch.setattr(vulkan_engine, "_extract", lost)
    exact = [planes.copy() for _, planes in NcnnEngine(model, SIDE).run(enumerate(inputs))]
    with caplog.at_level(logging.WARNING):
        for _ in range(2):  # the second time, nothing is tried on the GPU
            outputs = [(n, planes.copy()) for n, planes in engine.run(enumerate(inputs))]
            assert [n for n, _ in outputs] == list(range(12))
            assert all(
                np.abs(got - expected).max() < FP16_ERROR for (_, got), expected in zip(outputs, exact, strict=True)
            )
    assert all((got == expected).all() for (_, got), expected in zip(outputs, exact, strict=True))
    (record,) = caplog.records
    assert record.getMessage() == f"the GPU {gpu.name} failed or ran out of memory; the CPU goes on in its place"


def test_a_cancelled_run_leaves_the_gpu_usable(on_gpu: Upscaler) -> None:
    picture = photo_like(60, 60)
    expected, doubled = on_gpu.upscale(picture), np.empty((120, 120, 3), np.uint8)
    doubling = on_gpu.upscale_into(doubled, picture)
    next(doubling)
    doubling.close()  # type: ignore[attr-defined]
    assert (on_gpu.upscale(picture) == expected).all()


def test_windows_in_flight_fit_into_the_memory_of_a_gpu() -> None:
    gpu = Gpu(0, "small", software=False, free_memory=1000)
    assert [in_flight(gpu, size) for size in (10, 170, 400)] == [4, 2, 1]
    with pytest.raises(GpuError, match="small has too little memory for this model; give --device cpu"):
        in_flight(gpu, 501)


@pytest.mark.parametrize("name", ["gpus", "gpu:", "gpu:-1", "gpu:x", "gpu:9999", "", "GPU", "gpu:²"])
def test_other_names_of_devices_are_refused(name: str) -> None:
    with pytest.raises(OptionError, match="--device must be auto, cpu, gpu or gpu:N"):
        devices.number_of(name)


@pytest.mark.parametrize("pictures", [1, 2])  # two are upscaled in another process
def test_a_gpu_that_is_missing_is_refused_in_one_sentence(tmp_path: Path, tiny_model: Path, pictures: int) -> None:
    sources = [str(saved(tmp_path, f"{n}.png")) for n in range(pictures)]
    with pytest.raises(SystemExit, match=r"^error: --device is gpu:999, but no such GPU has a Vulkan driver; see"):
        main([*sources, "-o", f"{tmp_path}/out/", "--device", "gpu:999", "--model", str(tiny_model)])


def test_auto_takes_the_cpu_if_the_gpu_cannot_run_the_model(tiny_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tight = Gpu(0, "tight", software=False, free_memory=1)
    monkeypatch.setattr(devices, "default_gpu", lambda: tight)
    monkeypatch.setattr(devices, "gpus", lambda: (tight,))
    assert Upscaler.load(str(tiny_model), device="auto").gpu is None
    with pytest.raises(GpuError, match="tight has too little memory for this model; give --device cpu"):
        Upscaler.load(str(tiny_model), device="gpu")


def test_a_precision_contradicts_a_gpu() -> None:
    with pytest.raises(SystemExit, match=r"^error: a GPU computes in fp16, not f32; leave out --precision"):
        main(["a.png", "--device", "gpu", "--precision", "f32"])


def test_auto_takes_no_software_device(monkeypatch: pytest.MonkeyPatch) -> None:
    software, hardware = (Gpu(n, "", software=n == 0, free_memory=1) for n in range(2))
    monkeypatch.setattr(devices, "_LINUX_GPUS", ("null",))
    for found, expected in (((), None), ((software,), None), ((software, hardware), hardware)):
        monkeypatch.setattr(devices, "gpus", lambda found=found: found)
        assert devices.gpu_for("auto") == expected
        assert devices.gpu_for("cpu") is None


def test_without_a_loader_nothing_is_found_or_printed(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(devices, "_LOADERS", {sys.platform: ("libno_vulkan.so",)})
    assert devices._search.__wrapped__() == ()
    assert capfd.readouterr() == ("", "")


def test_threads_that_search_at_once_keep_standard_error(monkeypatch: pytest.MonkeyPatch) -> None:
    before, waits = os.fstat(2), [0.1, 0.06, 0.03, 0.0]  # those that begin later end first

    def create_gpu_instance() -> int:
        time.sleep(waits.pop(0))
        return -1

    monkeypatch.setattr(devices, "_has_loader", lambda: True)
    monkeypatch.setattr(devices, "_search", cache(devices._search.__wrapped__))
    monkeypatch.setattr(ncnn, "create_gpu_instance", create_gpu_instance)
    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(lambda _: devices.gpus(), range(4)))
    assert found == 4 * [()]
    assert os.path.samestat(os.fstat(2), before)
    assert len(waits) == 3


@pytest.mark.slow
def test_devices_are_listed_with_their_speeds_and_used_by_name(tmp_path: Path, tiny_model: Path, gpu: Gpu) -> None:
    program, options = [sys.executable, "-m", "upscaler"], ["--model", str(tiny_model)]
    listed = subprocess.run([*program, "devices", *options], check=True, capture_output=True, text=True)
    header, cpu, *rows = (line.split() for line in listed.stdout.splitlines())
    first = next(row for row in rows if row[0] != "cpu")
    assert header == ["device", "precision", "window", "MP/s", "name"]
    assert (cpu[0], first[:2]) == ("cpu", ["gpu:0", "fp16"])
    assert min(float(cpu[3]), float(first[3])) > 0
    assert ("software" in listed.stdout) == any(gpu.software for gpu in gpus())
    assert not listed.stderr
    source = saved(tmp_path)
    with pytest.raises(SystemExit, match="0"):
        main([str(source), "--device", "gpu:0", *options])
    with Image.open(tmp_path / "a_2x.png") as image:
        assert (np.array(image) == Upscaler(find.model(str(tiny_model)), gpu=gpu).upscale(photo_like(12, 16))).all()
