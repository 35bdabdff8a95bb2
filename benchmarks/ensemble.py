"""Benchmark of ensembles: cost of output averaging, and throughput of three forms of its graph."""

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from ensemble_pipeline import averaging, cost
from training_pipeline.network import Network
from training_pipeline.sizes import SIZES
from upscaler.engines.cores import cores
from upscaler.engines.openvino_api import operations, ov
from upscaler.engines.openvino_engine import CORE, has_bf16
from upscaler.model import artifact
from upscaler.model.architecture import COLOURS, Architecture, Weights
from upscaler.model.artifact import Artifact, Member, ModelConfig

MEMBERS = 4
SIZE = SIZES["small"]
LAST = SIZE.depth + 1  # number of the last layer
SIDE = 256 + 2 * SIZE.radius  # pixels a side of a window with its halo
ROUNDS = 5  # interleaved, because machines drift; the fastest counts


def main() -> None:
    """Print both tables."""
    with tempfile.TemporaryDirectory() as folder:
        members = [write_member(Path(folder) / str(n), SIZE, n) for n in range(MEMBERS)]
        print_costs(members, Path(folder))
        print_forms([member.weights() for member in members])


def write_member(folder: Path, architecture: Architecture, seed: int) -> Artifact:
    """Write an untrained network; its cost does not depend on the weights."""
    member = Member(name=str(seed), parts=(), pictures=0, steps=0)
    config = ModelConfig(architecture=architecture, combination="single", members=(member,))
    return artifact.write(folder, config, Network(architecture, branches=False).collapsed(), {}, "")


def print_costs(members: list[Artifact], folder: Path) -> None:
    """Print the cost as `evaluate` measures it. Weight averaging and distillation cost as much as one network."""
    print("| output averaging over | output MP/s | peak memory, MB |\n|---|---|---|")
    for count in (1, 2, MEMBERS):
        config, weights = averaging.averaged(members[:count], "outputs")
        measured = cost.measure(artifact.write(folder / f"mean_{count}", config, weights, {}, "").folder)
        print(f"| {count} | {measured.megapixels_per_second:.2f} | {measured.memory / 1e6:.0f} |", flush=True)


def print_forms(members: list[Weights]) -> None:
    """Print the throughput of the same function in three forms; output averaging uses the first."""
    forms = {"side by side": side_by_side, "side by side, one last layer": joined_at_the_end, "grouped": grouped}
    passes = {name: windows(form(members)) for name, form in forms.items()}
    seconds = {name: min(column) for name, column in timed(passes).items()}
    print(f"\n| form of {MEMBERS} networks | GFLOP/s |\n|---|---|")
    work = 2 * SIZE.multiplications * 256**2 * MEMBERS * cores()
    for name in forms:
        print(f"| {name} | {work / seconds[name] / 1e9:.0f} |")


def timed(passes: dict[str, Callable[[], None]]) -> dict[str, list[float]]:
    """Time the passes, interleaved, without the first of each; return seconds."""
    times: dict[str, list[float]] = {name: [] for name in passes}
    for _ in range(1 + ROUNDS):
        for name, run in passes.items():
            started = time.perf_counter()
            run()
            times[name].append(time.perf_counter() - started)
    return {name: column[1:] for name, column in times.items()}


def windows(model: ov.Model) -> Callable[[], None]:
    """Return a pass over one window for each core, in OpenVINO's fastest precision on this machine."""
    properties = {"INFERENCE_PRECISION_HINT": "bf16" if has_bf16() else "f32", "NUM_STREAMS": cores()}
    compiled = CORE.compile_model(model, "CPU", properties)
    requests = [compiled.create_infer_request() for _ in range(cores())]
    picture = np.random.default_rng(0).random((1, COLOURS, SIDE, SIDE), np.float32)

    def run() -> None:
        for request in requests:
            request.start_async({0: picture}, share_inputs=False)
        for request in requests:
            request.wait()

    return run


def side_by_side(members: list[Weights]) -> ov.Model:
    """Build the networks separately, with the mean of their outputs."""
    picture = new_picture()
    outputs = [convolved(body(picture, weights), weights, LAST) for weights in members]
    total = outputs[0]
    for output in outputs[1:]:
        total = operations.add(total, output)
    return ov.Model([operations.multiply(total, np.float32(1 / len(members)))], [picture])


def joined_at_the_end(members: list[Weights]) -> ov.Model:
    """Build the networks with their last layers, averaged, merged into one over all channels."""
    picture = new_picture()
    channels = operations.concat([body(picture, weights) for weights in members], 1)
    return ov.Model([mean_layer(channels, members)], [picture])


def grouped(members: list[Weights]) -> ov.Model:
    """Build all networks as one with grouped convolutions."""
    picture = new_picture()
    x: ov.Node = picture
    for i in range(LAST):
        name = f"networks.0.layers.{i}"
        bias, slope = (np.concatenate([weights[f"{name}.{key}"] for weights in members]) for key in ("bias", "slope"))
        kernels = [weights[f"{name}.weight"] for weights in members]
        if i == 0:
            x = operations.convolution(x, np.concatenate(kernels), *GEOMETRY)
        else:
            x = operations.group_convolution(x, np.stack(kernels), *GEOMETRY)
        x = operations.prelu(operations.add(x, bias.reshape(1, -1, 1, 1)), slope)
    return ov.Model([mean_layer(x, members)], [picture])


GEOMETRY = ([1, 1], [0, 0], [0, 0], [1, 1])  # strides, padding before and after, dilations


def new_picture() -> ov.Node:
    """Create the input of a window."""
    return operations.parameter([1, COLOURS, SIDE, SIDE], np.float32)


def body(picture: ov.Node, weights: Weights) -> ov.Node:
    """Build one network without its last layer."""
    x = picture
    for i in range(LAST):
        x = operations.prelu(convolved(x, weights, i), weights[f"networks.0.layers.{i}.slope"])
    return x


def convolved(x: ov.Node, weights: Weights, i: int) -> ov.Node:
    """Build layer `i` of one network."""
    name = f"networks.0.layers.{i}"
    convolution = operations.convolution(x, weights[f"{name}.weight"], *GEOMETRY)
    return operations.add(convolution, weights[f"{name}.bias"].reshape(1, -1, 1, 1))


def mean_layer(channels: ov.Node, members: list[Weights]) -> ov.Node:
    """Build the mean of the last layers as one convolution over all networks' channels."""
    name = f"networks.0.layers.{LAST}"
    kernel = np.concatenate([weights[f"{name}.weight"] for weights in members], axis=1) / np.float32(len(members))
    bias = np.mean([weights[f"{name}.bias"] for weights in members], axis=0, dtype=np.float32)
    return operations.add(operations.convolution(channels, kernel, *GEOMETRY), bias.reshape(1, -1, 1, 1))


if __name__ == "__main__":
    main()
