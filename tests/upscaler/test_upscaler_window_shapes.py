"""Windows of a shape for each picture: the least time, exact in every shape, compiled when first needed."""

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from support.models import write_tiny_model
from support.pictures import photo_like
from upscaler import Upscaler, double_file, price, tiling
from upscaler.engines import cores, openvino_engine, timing
from upscaler.engines.openvino_api import ov
from upscaler.engines.precision import PRECISIONS, Precision
from upscaler.model import find
from upscaler.model.artifact import Artifact
from upscaler.pictures.reading import read_header
from upscaler.pixels import Planes
from upscaler.tiling import Shape
from upscaler.upscaler import empty_double
from upscaler.window_shapes import best_shape

PICTURES = [(1, 1), (1, 2), (31, 33), (64, 64), (65, 1), (257, 3), (320, 240), (300, 300), (300, 500)]
side = st.integers(1, 2000)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    """A model with weights for every engine."""
    return find.model(str(write_tiny_model(tmp_path_factory.mktemp("models") / "tiny", int8=True)))


@pytest.fixture(scope="module", params=PRECISIONS)
def loaded(request: pytest.FixtureRequest, model: Artifact) -> Upscaler:
    """The model in each precision."""
    precision: Precision = request.param
    return Upscaler(model, precision)


@pytest.fixture
def compiled(monkeypatch: pytest.MonkeyPatch) -> list[Shape]:
    """The shapes of inputs for which OpenVINO compiles networks."""
    shapes: list[Shape] = []
    build = openvino_engine.residual_model

    def recorded(architecture: object, weights: object, networks: int, height: int, width: int) -> ov.Model:
        shapes.append(Shape(height, width))
        return build(architecture, weights, networks, height, width)  # type: ignore[arg-type]

    monkeypatch.setattr(openvino_engine, "residual_model", recorded)
    return shapes


def in_windows_of(upscaler: Upscaler, size: int) -> Upscaler:
    return Upscaler(upscaler.model, upscaler.precision, window=size)  # type: ignore[arg-type]


def cost(height: int, width: int, shape: Shape, halo: int, at_once: int) -> int:
    """Count the pixels that each of `at_once` cores computes, with their halos."""
    windows = sum(1 for _ in tiling.windows(height, width, shape))
    return -(-windows // at_once) * (shape.height + 2 * halo) * (shape.width + 2 * halo)


@given(side, side, st.sampled_from([64, 144, 256]), st.integers(1, 24), st.integers(1, 16))
def test_even_windows_are_no_slower_than_squares(
    height: int, width: int, largest: int, halo: int, at_once: int
) -> None:
    chosen = best_shape(height, width, largest, halo, at_once, compiled=False)
    square = Shape(largest, largest)
    assert max(chosen) <= largest
    assert cost(height, width, chosen, halo, at_once) <= cost(height, width, square, halo, at_once)
    assert best_shape(height, width, largest, halo, at_once, compiled=False) == chosen


@given(side, side, st.integers(1, 24), st.integers(1, 16))
def test_only_much_faster_windows_are_compiled_apart(height: int, width: int, halo: int, at_once: int) -> None:
    chosen = best_shape(height, width, 256, halo, at_once, compiled=True)
    costs = {size: cost(height, width, Shape(size, size), halo, at_once) for size in (32, 48, 160, 256)}
    saved = min(costs.values()) - cost(height, width, chosen, halo, at_once)
    assert chosen in {Shape(size, size) for size in costs} or saved > 10_000
    assert saved >= 0


@given(side, side, st.sampled_from([64, 256]), st.integers(1, 24))
def test_even_windows_hardly_overlap(height: int, width: int, largest: int, halo: int) -> None:
    shape = best_shape(height, width, largest, halo, at_once=1, compiled=False)
    for length, size in zip((height, width), shape, strict=True):
        assert tiling.parts(length, size) * (size - 2) < length


def test_an_icon_takes_the_smallest_windows_and_a_photo_even_ones() -> None:
    assert best_shape(32, 32, 256, 10, 2, compiled=True) == Shape(32, 32)
    assert best_shape(3000, 4000, 256, 10, 2, compiled=True) == Shape(250, 250)
    assert best_shape(3000, 4000, 64, 10, 2, compiled=False) == Shape(64, 64)


def test_a_small_picture_occupies_all_cores() -> None:
    shape = best_shape(256, 256, 256, 10, 16, compiled=False)
    assert tiling.count(256, 256, shape) == 16


@pytest.mark.slow
@pytest.mark.parametrize("size", PICTURES)
def test_the_chosen_windows_give_the_picture_of_a_single_one(loaded: Upscaler, size: tuple[int, int]) -> None:
    picture = photo_like(*size)
    doubled = loaded.upscale(picture)
    difference = np.abs(doubled.astype(int) - in_windows_of(loaded, max(size)).upscale(picture))
    assert difference.max() <= 1
    assert np.count_nonzero(difference) <= np.ceil(difference.size / 10_000)
    assert (loaded.upscale(picture) == doubled).all()


@pytest.mark.parametrize("size", PICTURES)
def test_flat_and_neutral_pictures_stay_so_in_every_size(loaded: Upscaler, size: tuple[int, int]) -> None:
    half_flat = photo_like(*size)
    half_flat[:, : size[1] // 2] = (250, 3, 99)
    doubled, reach = loaded.upscale(half_flat), loaded.model.config.architecture.radius
    assert (doubled[:, : max(2 * (size[1] // 2 - reach), 0)] == (250, 3, 99)).all()
    neutral = loaded.upscale(np.repeat(photo_like(*size)[:, :, :1], 3, axis=2))
    assert (neutral == neutral[:, :, :1]).all()


@pytest.mark.parametrize("size", PICTURES[1:])
def test_progress_and_rows_follow_the_chosen_windows(loaded: Upscaler, size: tuple[int, int]) -> None:
    picture = photo_like(*size)
    shares = [progress.share for progress in loaded.upscale_into(empty_double(picture), picture)]
    assert len(shares) == loaded.count_windows(*size)
    rows = [loaded.count_rows_done(*size, share) for share in shares]
    assert rows == sorted(rows)
    assert rows[-1] == 2 * size[0]


def test_a_shape_is_compiled_once_when_it_is_first_needed(model: Artifact, compiled: list[Shape]) -> None:
    upscaler = Upscaler(model, "bf16")
    assert compiled == []
    icon = Shape(32, 32).with_halo(model.config.architecture.radius)
    pictures = [photo_like(20, 30, seed) for seed in range(8)]
    with ThreadPoolExecutor(4) as threads:  # all need it at once
        together = list(threads.map(upscaler.upscale, pictures))
    assert compiled == [icon]
    assert all((upscaler.upscale(one) == doubled).all() for one, doubled in zip(pictures, together, strict=True))
    upscaler.prepare(400, 500)
    upscaler.upscale(photo_like(400, 500))
    assert len(compiled) == 2


def test_few_shapes_stay_compiled(model: Artifact, compiled: list[Shape]) -> None:
    engine = openvino_engine.OpenVinoEngine(model, 276)
    for width in (276, 260, 250, 52):
        engine.prepare(Shape(276, width))
    engine.prepare(Shape(276, 250))
    assert len(compiled) == 4
    engine.prepare(Shape(276, 276))  # forgotten, as the first of three large ones
    assert compiled[4:] == [Shape(276, 276)]


def test_the_frames_of_an_animation_share_a_shape(model: Artifact, compiled: list[Shape], tmp_path: Path) -> None:
    frames = [Image.fromarray(photo_like(40, 50, seed)) for seed in range(5)]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    list(double_file(Upscaler(model, "bf16"), tmp_path / "a.gif", tmp_path / "b.gif"))
    assert len(compiled) == 1


@pytest.mark.parametrize("precision", PRECISIONS)
def test_flips_take_windows_that_are_not_square(model: Artifact, precision: Precision) -> None:
    picture, upscaler = photo_like(600, 500), Upscaler(model, precision)
    turned = upscaler.upscale(np.ascontiguousarray(np.rot90(picture)), flips=True)
    difference = np.abs(upscaler.upscale(picture, flips=True).astype(int) - np.rot90(turned, -1))
    assert difference.max() <= 1


@pytest.mark.parametrize(("size", "times"), [((30, 20), 1), ((30, 20), 3), ((320, 240), 2)])
def test_a_price_in_seconds_adds_up_the_passes(
    loaded: Upscaler, tmp_path: Path, size: tuple[int, int], times: int
) -> None:
    width, height = size
    Image.fromarray(photo_like(height, width)).save(tmp_path / "a.png")
    header = read_header(tmp_path / "a.png")
    passes = [(2**n * height, 2**n * width) for n in range(times)]
    assert price.seconds(loaded, header, times, flips=False) == pytest.approx(
        sum(loaded.seconds_for(*one) for one in passes)
    )
    assert price.count_windows(loaded, header, times, flips=True) == 8 * sum(
        loaded.count_windows(*one) for one in passes
    )


@pytest.mark.parametrize("disturbed", [1, 2, 3])
def test_a_price_counts_neither_waits_nor_a_disturbed_run(
    model: Artifact, monkeypatch: pytest.MonkeyPatch, disturbed: int
) -> None:
    upscaler, used, runs = Upscaler(model, "f32", window=64), [0.0], count(1)

    def run(jobs: Iterable[tuple[int, Planes]]) -> Iterator[tuple[int, Planes]]:
        for job in jobs:
            yield job
            used.append(used[-1] + 1)
        used.append(used[-1] + (60 if next(runs) == disturbed else 0))

    monkeypatch.setattr(upscaler._engine, "run", run)
    monkeypatch.setattr(timing, "time", SimpleNamespace(process_time=lambda: used[-1]))
    assert upscaler.seconds_for(64, 64) == pytest.approx(1 / cores.cores())


def test_processes_that_share_a_machine_cut_alike(model: Artifact, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = [(60, 50), (100, 100), (300, 500)]
    alone = [Upscaler(model, "f32").count_windows(*size) for size in sizes]
    monkeypatch.setattr(cores, "_allowed", [1])
    assert [Upscaler(model, "f32").count_windows(*size) for size in sizes] == alone


@pytest.mark.parametrize("precision", PRECISIONS)
def test_windows_of_a_given_size_are_not_made_smaller(model: Artifact, precision: Precision) -> None:
    upscaler = Upscaler(model, precision, window=100)
    assert upscaler.count_windows(101, 20) == 2
    assert upscaler.window == 100
