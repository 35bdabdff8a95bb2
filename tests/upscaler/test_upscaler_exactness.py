"""Tiled inference equals whole-picture inference; constant, gray and transparent regions are preserved."""

import threading
from itertools import pairwise
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from ensemble_pipeline.averaging import with_mirror_images
from ensemble_pipeline.onnx_export import onnx_graph, serialised
from support.models import random_weights, write_tiny_model
from support.pictures import photo_like
from upscaler import Upscaler, bicubic, metrics, tiling
from upscaler.engines.engine import engine_for
from upscaler.engines.openvino_api import ov
from upscaler.engines.openvino_engine import CORE, ending_model, has_bf16, residual_model
from upscaler.engines.precision import PRECISIONS, Precision
from upscaler.errors import PictureError
from upscaler.flat import flat_places
from upscaler.model import find
from upscaler.model.architecture import Architecture, Block
from upscaler.model.artifact import Member, ModelConfig
from upscaler.pixels import Pixels, to_pixels, to_planes
from upscaler.tiling import Shape
from upscaler.transparency import keep_in_local_range, with_hidden_filled
from upscaler.upscaler import empty_double

few = settings(max_examples=25)
side = st.integers(1, 80)


@pytest.fixture(scope="module")
def exact(upscaler: Upscaler) -> Upscaler:
    """The same model in float32, as in `whole`."""
    return Upscaler(upscaler.model, "f32", window=24)


def whole(upscaler: Upscaler, picture: Pixels) -> Pixels:
    """Run the graph, without tiling, on the whole extended picture."""
    model = CORE.read_model(serialised(upscaler.model))
    halo = upscaler.model.config.architecture.radius
    rows, columns = (tiling.extended(np.arange(-halo, n + halo), n) for n in picture.shape[:2])
    planes = to_planes(picture[rows[:, np.newaxis], columns])
    model.reshape(planes.shape)
    compiled = CORE.compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return to_pixels(compiled(planes)[0], picture.dtype)


def assert_equal(a: Pixels, b: Pixels) -> None:
    difference = np.abs(a.astype(int) - b.astype(int))
    assert difference.max() <= 1
    assert np.count_nonzero(difference) <= np.ceil(difference.size / 10_000)


@pytest.mark.slow
@few
@given(height=side, width=side, seed=st.integers(0, 99))
def test_windows_give_the_whole_picture(exact: Upscaler, height: int, width: int, seed: int) -> None:
    assume(height * width > 1)  # one pixel is flat
    picture = photo_like(height, width, seed)
    assert_equal(exact.upscale(picture), whole(exact, picture))


@pytest.mark.parametrize("size", [(1, 2), (1, 500), (500, 1), (2, 3), (211, 307), (24, 24), (25, 49)])
def test_sizes_that_are_no_multiple_of_the_window(exact: Upscaler, size: tuple[int, int]) -> None:
    picture = photo_like(*size)
    assert_equal(exact.upscale(picture), whole(exact, picture))


@pytest.mark.slow
@pytest.mark.parametrize("size", [(1, 500), (25, 49), (211, 307)])
@pytest.mark.parametrize("precision", PRECISIONS)
def test_windows_of_any_size_give_the_same_picture(
    upscaler: Upscaler, precision: Precision, size: tuple[int, int]
) -> None:
    picture = photo_like(*size)
    small, large, one = (Upscaler(upscaler.model, precision, side).upscale(picture) for side in (24, 100, max(size)))
    assert_equal(small, one)
    assert_equal(large, one)


@pytest.mark.slow
@pytest.mark.parametrize("block", get_args(Block))
@pytest.mark.parametrize("precision", PRECISIONS)
def test_windows_of_every_kind_of_network_give_the_whole_picture(
    tmp_path: Path, precision: Precision, block: Block
) -> None:
    model, picture = find.model(str(write_tiny_model(tmp_path / "tiny", block=block, int8=True))), photo_like(61, 83)
    small, one = (Upscaler(model, precision, side) for side in (24, 83))
    assert_equal(small.upscale(picture), one.upscale(picture))
    if precision == "f32":
        assert_equal(one.upscale(picture), whole(one, picture))


def test_windows_of_the_default_size(upscaler: Upscaler) -> None:
    picture = photo_like(523, 277)
    assert_equal(Upscaler(upscaler.model, "f32").upscale(picture), whole(upscaler, picture))


def test_output_averaging_is_exact(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = write_tiny_model(tmp_path_factory.mktemp("models") / "three", networks=3)
    upscaler = Upscaler(find.model(str(folder)), "f32", window=16)
    picture = photo_like(37, 53)
    assert_equal(upscaler.upscale(picture), whole(upscaler, picture))


def test_the_extension_reflects_then_repeats() -> None:
    line = np.arange(3)
    assert line[tiling.extended(np.arange(-4, 7), 3)].tolist() == [2, 2, 2, 1, 0, 1, 2, 1, 0, 0, 0]
    assert tiling.extended(np.arange(-2, 3), 1).tolist() == [0] * 5
    assert (np.arange(9)[tiling.extended(np.arange(-5, 14), 9)] == np.pad(np.arange(9), 5, mode="reflect")).all()


@pytest.mark.slow
@pytest.mark.parametrize("networks", [1, 3])
@pytest.mark.parametrize("side", [30, 31])
@pytest.mark.parametrize("block", get_args(Block))
@pytest.mark.parametrize("precision", PRECISIONS)
def test_each_engine_computes_the_graph(
    tmp_path_factory: pytest.TempPathFactory, precision: Precision, block: Block, side: int, networks: int
) -> None:
    model = find.model(
        str(write_tiny_model(tmp_path_factory.mktemp("models") / "tiny", networks, block=block, int8=True))
    )
    inputs = [to_planes(photo_like(side, side, seed)) for seed in range(9)]
    graph = CORE.read_model(serialised(model))
    compiled = CORE.compile_model(graph, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    outputs = engine_for(precision)(model, side).run((n, planes) for n, planes in enumerate(inputs))
    rounding = {"int8": 0.03, "bf16": 0.02 if has_bf16() else 1e-5, "f32": 1e-5}[precision]
    for position, ((n, got), planes) in enumerate(zip(outputs, inputs, strict=True)):
        assert n == position
        assert np.abs(got - compiled(planes)[0]).max() < rounding


@pytest.mark.parametrize("precision", PRECISIONS)
def test_engines_accept_transposed_inputs(upscaler: Upscaler, precision: Precision) -> None:
    planes = to_planes(photo_like(30, 30))
    turned = np.ascontiguousarray(planes.transpose(0, 1, 3, 2)).transpose(0, 1, 3, 2)
    pair = engine_for(precision)(upscaler.model, 30).run(enumerate([planes, turned]))
    first, second = (planes.copy() for _, planes in pair)
    assert (first == second).all()


@pytest.mark.slow
@pytest.mark.parametrize("networks", [1, 3])
@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("side", [30, 31])
@pytest.mark.parametrize("block", get_args(Block))
def test_openvino_model_matches_the_onnx_graph(block: Block, side: int, mirrored: bool, networks: int) -> None:
    architecture = Architecture(width=8, depth=3, block=block)
    weights = random_weights(architecture, networks, seed=0)
    if mirrored:
        member = Member(name="n", parts=(), pictures=1, steps=1)
        config = ModelConfig(architecture=architecture, combination="outputs", members=(member,) * networks)
        config, weights = with_mirror_images(config, weights)
        networks = config.networks
    planes = to_planes(photo_like(side, side))
    graph = onnx_graph(architecture, weights, networks).SerializeToString()
    residual = in_float32(residual_model(architecture, weights, networks, side, side))(planes)[0]
    doubled = in_float32(ending_model(architecture, side, side))([planes, residual])[0]
    expected = in_float32(CORE.read_model(graph))(planes)[0]
    assert np.abs(doubled.transpose(0, 3, 1, 2) - expected).max() < 1e-5


def in_float32(model: ov.Model) -> ov.CompiledModel:
    return CORE.compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})


def test_the_result_resembles_the_bicubic_one(upscaler: Upscaler) -> None:
    picture = photo_like(60, 90)
    assert metrics.score(upscaler.upscale(picture), bicubic.double(picture)).psnr_y > 25


@few
@given(height=side, width=side, colour=st.tuples(*[st.integers(0, 255)] * 3))
def test_flat_stays_flat(upscaler: Upscaler, height: int, width: int, colour: tuple[int, int, int]) -> None:
    picture = np.full((height, width, 3), colour, np.uint8)
    doubled = upscaler.upscale(picture)
    assert doubled.shape == (2 * height, 2 * width, 3)
    assert (doubled == np.array(colour, np.uint8)).all()


def test_a_white_page_stays_white_around_its_content(upscaler: Upscaler) -> None:
    page = np.full((90, 90, 3), 255, np.uint8)
    page[40:50, 40:50] = photo_like(10, 10)
    doubled = upscaler.upscale(page)
    reach = upscaler.model.config.architecture.radius
    doubled[2 * (40 - reach) : 2 * (50 + reach), 2 * (40 - reach) : 2 * (50 + reach)] = 255
    assert (doubled == 255).all()


@few
@given(st.integers(0, 10_000), st.integers(1, 3))
def test_flat_places_have_a_constant_neighbourhood(seed: int, radius: int) -> None:
    picture = (np.random.default_rng(seed).random((14, 12, 3)) > 0.97).astype(np.uint8)
    blocks = np.lib.stride_tricks.sliding_window_view(picture, (2 * radius + 1, 2 * radius + 1), axis=(0, 1))
    expected = (blocks == blocks[..., :1, :1]).all(axis=(2, 3, 4))
    assert (flat_places(picture, radius) == expected).all()


@few
@given(height=side, width=side, seed=st.integers(0, 99))
def test_neutral_stays_neutral(upscaler: Upscaler, height: int, width: int, seed: int) -> None:
    gray = photo_like(height, width, seed)[:, :, :1]
    doubled = upscaler.upscale(np.repeat(gray, 3, axis=2))
    assert (doubled == doubled[:, :, :1]).all()
    assert (upscaler.upscale(gray) == doubled[:, :, :1]).all()


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_size_type_and_channels(upscaler: Upscaler, channels: int, dtype: type[np.integer]) -> None:
    levels = np.random.default_rng(0).integers(0, np.iinfo(dtype).max, (17, 31, channels))
    picture: NDArray[Any] = levels.astype(dtype)
    doubled = upscaler.upscale(picture)
    assert doubled.shape == (34, 62, channels)
    assert doubled.dtype == dtype


@pytest.mark.parametrize(
    "wrong",
    [
        *(np.ones((8, 9, 3), dtype) for dtype in (bool, np.int8, np.int16, np.int64, np.uint32, np.float32, ">u2")),
        *(np.ones(shape, np.uint8) for shape in ((8, 9), (8, 9, 0), (8, 9, 5), (0, 9, 3), (8, 0, 3), (1, 8, 9, 3))),
        [[[1, 2, 3]]],
    ],
    ids=lambda wrong: f"{getattr(wrong, 'dtype', 'list')}{getattr(wrong, 'shape', '')}",
)
def test_arrays_that_are_no_pictures_are_refused(upscaler: Upscaler, wrong: Any) -> None:
    with pytest.raises(PictureError, match="a picture must be an array of uint8 or uint16, height x width x 1 to 4"):
        upscaler.upscale(wrong)


@pytest.mark.parametrize(
    "doubled", [np.ones((16, 18, 3), np.uint16), np.ones((16, 18, 1), np.uint8), np.ones((18, 18, 3), np.uint8)]
)
def test_results_that_do_not_fit_the_picture_are_refused(upscaler: Upscaler, doubled: Pixels) -> None:
    with pytest.raises(PictureError, match=r"the upscaled picture must be uint8 of shape \(16, 18, 3\), got"):
        next(iter(upscaler.upscale_into(doubled, photo_like(8, 9))))


def test_16_bits_have_more_levels_than_8(upscaler: Upscaler) -> None:
    ramp = np.linspace(10_000, 12_000, 400).astype(np.uint16)
    picture = np.broadcast_to(ramp[np.newaxis, :, np.newaxis], (20, 400, 3))
    assert len(np.unique(upscaler.upscale(picture))) > 256


def test_transparent_colours_leave_no_fringe(upscaler: Upscaler) -> None:
    picture = np.zeros((60, 60, 4), np.uint8)
    picture[:, 30:] = (200, 60, 20, 255)
    doubled = upscaler.upscale(picture)
    visible = doubled[:, :, 3] > 0
    assert (doubled[visible][:, :3] == (200, 60, 20)).all()
    assert (doubled[:, :40, 3] == 0).all()
    assert (doubled[:, 80:, 3] == 255).all()


def test_transparent_pixels_take_nearby_visible_colours() -> None:
    picture = np.zeros((9, 40, 2), np.uint8)
    picture[:, :4] = (77, 255)
    filled = with_hidden_filled(picture, radius=5)
    assert (filled[:, 4:8, 0] == 77).all()
    assert (filled[:, 12:, 0] == 0).all()
    assert (filled[:, :, 1] == picture[:, :, 1]).all()
    assert (with_hidden_filled(np.zeros((3, 3, 4), np.uint8), radius=5) == 0).all()


def test_hard_edges_of_alpha_get_no_ghost_lines(upscaler: Upscaler) -> None:
    picture = np.zeros((40, 50, 4), np.uint8)
    picture[..., :3] = photo_like(40, 50)
    picture[10:30, 12:37, 3] = 255
    alpha = upscaler.upscale(picture)[..., 3]
    inside, outside = alpha[21:59, 25:73], np.delete(np.delete(alpha, np.s_[19:61], 0), np.s_[23:75], 1)
    assert (inside == 255).all()
    assert (outside == 0).all()


@given(
    arrays(np.uint8, st.tuples(st.integers(1, 6), st.integers(1, 6), st.just(1))),
    st.integers(0, 2**32 - 1),
)
def test_alpha_stays_in_the_range_of_the_four_pixels_around(source: Pixels, seed: int) -> None:
    height, width, _ = source.shape
    doubled: NDArray[np.uint8] = np.random.default_rng(seed).integers(0, 256, (2 * height, 2 * width, 1), np.uint8)
    padded: NDArray[np.uint8] = np.pad(source, ((1, 1), (1, 1), (0, 0)), "edge")
    keep_in_local_range(doubled, padded, 1)
    for y, x in np.ndindex(2 * height, 2 * width):
        around = padded[(y + 1) // 2 : (y + 1) // 2 + 2, (x + 1) // 2 : (x + 1) // 2 + 2]
        assert around.min() <= doubled[y, x] <= around.max()


def test_opaque_alpha_does_not_change_colours(upscaler: Upscaler) -> None:
    picture = photo_like(40, 50)
    with_alpha = np.dstack([picture, np.full((40, 50), 255, np.uint8)])
    doubled = upscaler.upscale(with_alpha)
    assert (doubled[:, :, 3] == 255).all()
    assert (doubled[:, :, :3] == upscaler.upscale(picture)).all()


def test_the_self_ensemble_is_independent_of_orientation(upscaler: Upscaler) -> None:
    picture = photo_like(30, 41)
    doubled = upscaler.upscale(picture, flips=True)
    assert_equal(upscaler.upscale(picture[:, ::-1], flips=True)[:, ::-1], doubled)
    assert_equal(upscaler.upscale(picture.swapaxes(0, 1), flips=True).swapaxes(0, 1), doubled)
    assert (upscaler.upscale(picture) != doubled).any()


def test_threads_share_one_upscaler(upscaler: Upscaler) -> None:
    pictures = [photo_like(60, 70, seed) for seed in range(4)]
    expected = [upscaler.upscale(picture) for picture in pictures]
    got: dict[int, Pixels] = {}

    def work(n: int) -> None:
        for _ in range(3):
            got[n] = upscaler.upscale(pictures[n])

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all((got[n] == expected[n]).all() for n in range(4))


def test_progress_reaches_the_end(upscaler: Upscaler) -> None:
    picture = np.dstack([photo_like(60, 70), photo_like(60, 70)[:, :, :1]])
    reports = list(upscaler.upscale_into(empty_double(picture), picture))
    assert len(reports) == 2 * tiling.count(60, 70, Shape(24, 24))
    assert all(a.share < b.share and a.megapixels < b.megapixels for a, b in pairwise(reports))
    assert reports[-1].share == 1
    assert reports[-1].megapixels == pytest.approx(120 * 140 / 1e6)
    assert reports[-1].seconds_left == 0
    assert reports[0].seconds_left > 0
    assert reports[0].megapixels_per_second > 0


@few
@given(height=side, width=side)
def test_rows_that_are_reported_done_are_not_written_again(upscaler: Upscaler, height: int, width: int) -> None:
    picture = photo_like(height, width)
    doubled, rows = empty_double(picture), 0
    for progress in upscaler.upscale_into(doubled, picture):
        assert (doubled[:rows] == 0).all()
        rows = upscaler.count_rows_done(height, width, progress.share)
        doubled[:rows] = 0
    assert rows == 2 * height


def test_a_cancelled_run_leaves_the_upscaler_usable(upscaler: Upscaler) -> None:
    picture = photo_like(100, 100)
    expected = upscaler.upscale(picture)
    doubled = empty_double(picture)
    doubling = upscaler.upscale_into(doubled, picture)
    next(doubling)
    doubling.close()  # type: ignore[attr-defined]
    assert (upscaler.upscale(picture) == expected).all()
