"""The network: merged branches, receptive radius, and equality with the engine."""

from pathlib import Path
from typing import Any, cast, get_args

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from ensemble_pipeline.onnx_export import onnx_graph
from support.pictures import photo_like
from support.training_runs import small_config
from training_pipeline import beginning, data, evaluation, optimisers
from training_pipeline.config import Optimiser
from training_pipeline.convolution import Convolution
from training_pipeline.errors import TrainingError
from training_pipeline.network import Network
from training_pipeline.train import Run
from upscaler import Upscaler
from upscaler.bicubic import halve
from upscaler.engines.ncnn_engine import NcnnEngine
from upscaler.engines.openvino_api import ov
from upscaler.engines.openvino_engine import CORE, ending_model, residual_model
from upscaler.model import artifact
from upscaler.model.architecture import Architecture, Block
from upscaler.model.artifact import Artifact, Member, ModelConfig
from upscaler.pixels import to_planes

BLOCKS = get_args(Block)


def lively(architecture: Architecture, branches: bool = True) -> Network:
    """Make a network in which every parameter has an effect, as after training."""
    torch.manual_seed(1)
    network = Network(architecture, branches)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    return network.eval()


def separately(layer: Convolution, x: torch.Tensor) -> torch.Tensor:
    """Sum the outputs of a convolution and of each of its branches, each computed alone."""
    branches = layer.branches
    assert branches is not None
    total = F.conv2d(x, layer.kernel, layer.bias, padding=1) + F.conv2d(x, branches.point[:, :, None, None])
    total = total + F.conv2d(F.conv2d(x, branches.expand[:, :, None, None]), branches.squeeze, padding=1)
    for n, edge in enumerate(cast(torch.Tensor, branches.edges)):
        reduced = F.conv2d(x, branches.edge_inputs[n][:, :, None, None])
        filters = edge.expand(len(layer.bias), 1, 3, 3) * branches.edge_scales[n][:, None, None, None]
        total = total + F.conv2d(reduced, filters, padding=1, groups=len(layer.bias))
    return total


@torch.no_grad()
def test_the_merged_kernel_is_the_sum_of_its_branches() -> None:
    torch.manual_seed(0)
    layer = Convolution(5, 7, branches=True)
    x = torch.rand(2, 5, 9, 10)
    torch.testing.assert_close(layer(x), separately(layer, x), atol=1e-5, rtol=0)


@torch.no_grad()
@pytest.mark.parametrize("block", BLOCKS)
def test_collapsed_equals_branched(block: Block) -> None:
    branched = lively(Architecture(width=12, depth=3, block=block))
    plain = Network(branched.architecture, branches=False).eval()
    plain.assign(branched.collapsed())
    x = torch.rand(2, 3, 20, 17)
    assert len(list(plain.parameters())) < len(list(branched.parameters()))
    torch.testing.assert_close(plain(x), branched(x), atol=1e-5, rtol=1e-5)


@torch.no_grad()
@pytest.mark.parametrize("block", BLOCKS)
def test_a_branched_network_becomes_another_and_stays_branched(block: Block) -> None:
    source = lively(Architecture(width=6, depth=2, block=block))
    target = Network(source.architecture, branches=True).eval()
    target.assign(source.collapsed())
    x = torch.rand(1, 3, 12, 12)
    torch.testing.assert_close(target(x), source(x), atol=1e-5, rtol=1e-5)
    assert all(layer.branches is not None for layer in target.modules() if isinstance(layer, Convolution))


@torch.no_grad()
@pytest.mark.parametrize("block", BLOCKS)
@pytest.mark.parametrize("blocks", [0, 1, 3])
def test_a_deepened_network_begins_as_the_same(blocks: int, block: Block) -> None:
    source = lively(Architecture(width=6, depth=2, block=block))
    deeper = Network(Architecture(width=6, depth=2 + blocks, block=block)).eval()
    deeper.assign(source.collapsed())
    x = torch.rand(1, 3, 12, 12)
    torch.testing.assert_close(deeper(x), source(x), atol=1e-5, rtol=1e-5)


@torch.no_grad()
@pytest.mark.parametrize("block", ["residual", "gated", "gated4"])
def test_blocks_with_a_skip_begin_near_the_identity(block: Block) -> None:
    torch.manual_seed(0)
    network = Network(Architecture(width=16, depth=1, block=block), branches=False)
    x = torch.randn(1, 16, 30, 30)
    change = network.trunk[0](x) - x
    assert 0 < change.std() < 0.3
    assert not any(array.any() for name, array in network.collapsed().items() if name.endswith("gain"))
    assert all((array == 1).all() for name, array in network.collapsed().items() if name.endswith("offset"))


@pytest.mark.parametrize("block", BLOCKS)
def test_gradients_reach_every_parameter(block: Block) -> None:
    network = lively(Architecture(width=4, depth=1, block=block))
    network(torch.rand(1, 3, 8, 8)).square().sum().backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().max() > 0, name


@pytest.mark.parametrize("block", BLOCKS)
@pytest.mark.parametrize("depth", [1, 2, 5])
def test_the_radius_is_where_the_gradient_ends(depth: int, block: Block) -> None:
    network = lively(Architecture(width=4, depth=depth, block=block)).double()
    middle = network.radius + 2
    x = torch.rand(1, 3, 2 * middle + 1, 2 * middle + 1, dtype=torch.float64, requires_grad=True)
    network(x)[..., 2 * middle : 2 * middle + 2, 2 * middle : 2 * middle + 2].sum().backward()
    assert x.grad is not None
    rows, columns = x.grad[0].abs().sum(dim=0).nonzero().T - middle
    assert (rows.min(), rows.max()) == (-network.radius, network.radius)
    assert (columns.min(), columns.max()) == (-network.radius, network.radius)


def test_training_begins_at_the_interpolation() -> None:
    x = torch.rand(1, 3, 16, 16)
    doubled = Network(Architecture(width=8, depth=2)).eval()(x)
    smooth = F.interpolate(x, scale_factor=2, mode="bicubic", align_corners=False)  # a = -0.75: close, not equal
    assert (doubled - smooth).abs()[..., 4:-4, 4:-4].mean() < 0.02


@pytest.mark.slow
@torch.no_grad()
@pytest.mark.parametrize("block", BLOCKS)
def test_every_graph_computes_the_trained_network_in_float32(block: Block, tmp_path: Path) -> None:
    network, side = lively(Architecture(width=8, depth=2, block=block)), 37
    architecture, weights = network.architecture, network.collapsed()
    planes = to_planes(photo_like(side, side))
    inner = slice(2 * network.radius, -2 * network.radius)
    expected = network(torch.from_numpy(planes))[..., inner, inner].numpy()
    ((_, in_ncnn),) = NcnnEngine(written(network, tmp_path / "run"), side).run([(0, planes)])
    graph = CORE.read_model(onnx_graph(architecture, weights, 1).SerializeToString())
    residual = in_float32(residual_model(architecture, weights, 1, side, side))(planes)[0]
    ended = in_float32(ending_model(architecture, side, side))([planes, residual])[0].transpose(0, 3, 1, 2)
    for found in (in_ncnn, in_float32(graph)(planes)[0], ended):
        np.testing.assert_allclose(found, expected, atol=1e-5, rtol=0)


def in_float32(model: ov.Model) -> ov.CompiledModel:
    return CORE.compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})


def written(network: Network, folder: Path) -> Artifact:
    """Write the artifact of a network."""
    member = Member(name="run", parts=("train_0",), pictures=1, steps=1)
    model = ModelConfig(architecture=network.architecture, combination="single", members=(member,))
    return artifact.write(folder, model, network.collapsed(), {}, "")


@pytest.mark.parametrize("block", BLOCKS)
def test_torch_and_the_engine_make_the_same_picture(block: Block, tmp_path: Path) -> None:
    network = lively(Architecture(width=8, depth=3, block=block))
    upscaler = Upscaler(written(network, tmp_path / "run"))
    picture = photo_like(61, 47)
    difference = upscaler.upscale(picture).astype(int) - evaluation.double(network, picture)
    levels = 1 if upscaler.precision == "f32" else 4  # bfloat16 has a significand of 8 bits
    assert np.abs(difference).max() <= levels


@pytest.mark.slow
@pytest.mark.parametrize("optimiser", get_args(Optimiser))
def test_four_channels_overfit_one_batch(tmp_path: Path, optimiser: str) -> None:
    rates: dict[str, Any] = {"steps": 600, "learning_rate": 0.02, "average": 0.0, "optimiser": optimiser}
    config = small_config(tmp_path, size="4x2", branches=False, **rates)
    torch.set_num_threads(1)
    run = Run(config, data.read(config), None)
    lr, hr = one_batch(side=8)
    assert psnr(run.network, lr, hr) < 30
    for _ in range(600):
        run.advance(lr, hr)
    run.journal.close()
    assert psnr(run.network, lr, hr) > 40


def one_batch(side: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Make waves of a few pixels, which interpolation flattens: uint8, 13(side)(side) and 13(2 side)(2 side)."""
    y, x = np.mgrid[:64, :64]
    waves = np.sin(np.stack([0.8 * x + 0.4 * y, 0.5 * x - 0.7 * y, 0.2 * x + 0.8 * y], axis=-1))
    picture = (127 + 110 * waves).astype(np.uint8)
    corners = halve(picture)[4 : 4 + side, 4 : 4 + side], picture[8 : 8 + 2 * side, 8 : 8 + 2 * side]
    lr, hr = (torch.tensor(corner.transpose(2, 0, 1)[None].copy()) for corner in corners)
    return lr, hr


@torch.no_grad()
def psnr(network: Network, lr: torch.Tensor, hr: torch.Tensor) -> float:
    """Return the PSNR of a batch, in dB."""
    return float(-10 * torch.log10(F.mse_loss(network(lr / 255).clamp(0, 1), hr / 255)))


def test_sizes_have_names_or_width_depth_and_block(tmp_path: Path) -> None:
    for size, shape in {
        "6x2": Architecture(width=6, depth=2),
        "6x2-plain": Architecture(width=6, depth=2),
        "6x2-gated": Architecture(width=6, depth=2, block="gated"),
    }.items():
        assert beginning.network(small_config(tmp_path, size=size)).architecture == shape
    assert str(Architecture(width=6, depth=2, block="gated")) == "6x2-gated"
    assert small_config(tmp_path, size="small").size == "small"
    for unknown in ("huge", "0x3", "8x", "x", "8x-1", "8x1-", "8x1-round", "257x1", "8x129", "8x43-gated"):
        with pytest.raises(TrainingError, match=r"unknown size .*; give tiny, small, base or WIDTHxDEPTH\[-BLOCK\]"):
            small_config(tmp_path, size=unknown)


def test_muon_takes_hidden_kernels_only_and_only_weights_decay() -> None:
    network = Network(Architecture(width=4, depth=2, block="gated"), branches=False)
    made = optimisers.make("muon", network, 1e-3, 0.1)
    names = {parameter: name for name, parameter in network.named_parameters()}
    of_muon = {names[one] for group in made["muon"].param_groups for one in group["params"]}
    assert of_muon == {f"trunk.{n}.convolutions.{i}.kernel" for n in range(2) for i in range(3)}
    decaying, constant = (
        {
            names[one]
            for group in made["optimiser"].param_groups
            for one in group["params"]
            if bool(group["weight_decay"]) == decays
        }
        for decays in (True, False)
    )
    assert decaying == {"head.convolutions.0.kernel", "tail.convolutions.0.kernel"}
    assert decaying | constant | of_muon == set(names.values())


@pytest.mark.parametrize("shape", [(12, 432), (48, 27), (9, 9)])
def test_the_direction_of_a_step_is_nearly_orthogonal(shape: tuple[int, int]) -> None:
    torch.manual_seed(0)
    matrix = torch.randn(shape)
    u, _, v = torch.linalg.svd(matrix, full_matrices=False)
    found = optimisers.orthogonal(matrix)
    values = torch.diagonal(u.T @ found @ v.T)
    assert found.shape == shape
    assert values.min() > 0.6
    assert values.max() < 1.3
    assert torch.allclose(found, u @ torch.diag(values) @ v, atol=1e-3)  # the same singular vectors
