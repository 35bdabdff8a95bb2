"""Windows of a size for each picture: fewest computed pixels, exact in every size, compiled when first needed."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from support.models import write_tiny_model
from support.pictures import photo_like
from upscaler import Upscaler, double_file, price, tiling
from upscaler.engines import openvino_engine
from upscaler.engines.openvino_api import ov
from upscaler.engines.precision import PRECISIONS, Precision
from upscaler.model import find
from upscaler.model.artifact import Artifact
from upscaler.pictures.reading import read_header
from upscaler.upscaler import empty_double

PICTURES = [(1, 1), (1, 2), (31, 33), (64, 64), (65, 1), (257, 3), (320, 240), (300, 300)]
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
def compiled(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The sides for which OpenVINO compiles networks."""
    sides: list[int] = []
    build = openvino_engine.residual_model

    def recorded(architecture: object, weights: object, networks: int, side: int) -> ov.Model:
        sides.append(side)
        return build(architecture, weights, networks, side)  # type: ignore[arg-type]

    monkeypatch.setattr(openvino_engine, "residual_model", recorded)
    return sides


def in_windows_of(upscaler: Upscaler, size: int) -> Upscaler:
    return Upscaler(upscaler.model, upscaler.precision, window=size)  # type: ignore[arg-type]


def computed(height: int, width: int, size: int, halo: int) -> int:
    """Count the pixels that the network computes."""
    return sum((window.size + 2 * halo) ** 2 for window in tiling.windows(height, width, size))


@given(side, side, st.sampled_from([64, 144, 256]), st.integers(1, 24))
def test_no_other_size_computes_fewer_pixels(height: int, width: int, largest: int, halo: int) -> None:
    sizes = tiling.sizes_up_to(largest)
    chosen = tiling.cheapest(height, width, sizes, halo)
    least = min(computed(height, width, size, halo) for size in sizes)
    assert computed(height, width, chosen, halo) == least
    assert tiling.cheapest(width, height, sizes, halo) == chosen


def test_an_icon_takes_the_smallest_windows_and_a_photo_the_largest() -> None:
    sizes = tiling.sizes_up_to(256)
    assert tiling.cheapest(32, 32, sizes, 10) == sizes[-1] < 64
    assert tiling.cheapest(3000, 4000, sizes, 10) == 256


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


def test_a_side_is_compiled_once_when_it_is_first_needed(model: Artifact, compiled: list[int]) -> None:
    upscaler = Upscaler(model, "bf16")
    assert compiled == []
    halo, (*_, smallest) = model.config.architecture.radius, tiling.sizes_up_to(upscaler.window)
    pictures = [photo_like(20, 30, seed) for seed in range(8)]
    with ThreadPoolExecutor(4) as threads:  # all need it at once
        together = list(threads.map(upscaler.upscale, pictures))
    assert compiled == [smallest + 2 * halo]
    assert all((upscaler.upscale(one) == doubled).all() for one, doubled in zip(pictures, together, strict=True))
    upscaler.prepare(256, 256)
    upscaler.upscale(photo_like(256, 256))
    assert compiled == [smallest + 2 * halo, 256 + 2 * halo]


def test_the_frames_of_an_animation_share_a_side(model: Artifact, compiled: list[int], tmp_path: Path) -> None:
    frames = [Image.fromarray(photo_like(40, 50, seed)) for seed in range(5)]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    list(double_file(Upscaler(model, "bf16"), tmp_path / "a.gif", tmp_path / "b.gif"))
    assert len(compiled) == 1


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


@pytest.mark.parametrize("precision", PRECISIONS)
def test_windows_of_a_given_size_are_not_made_smaller(model: Artifact, precision: Precision) -> None:
    upscaler = Upscaler(model, precision, window=100)
    assert upscaler.count_windows(101, 20) == 2
    assert upscaler.window == 100
