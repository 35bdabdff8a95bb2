"""Choice of precision and windows: measured once, kept, and the same for everyone who asks."""

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.models import TINY, write_tiny_model
from support.pictures import photo_like
from upscaler import Upscaler
from upscaler.__main__ import main
from upscaler.engines import choice, devices, probe, processor
from upscaler.engines.choice import choose, choose_on, fastest
from upscaler.engines.cores import cores
from upscaler.engines.devices import Gpu
from upscaler.engines.engine import candidates, usual
from upscaler.engines.precision import PRECISIONS, Choice
from upscaler.errors import OptionError
from upscaler.model import artifact
from upscaler.model.artifact import Artifact
from upscaler.version import installed

BF16, INT8, SMALL, LARGE = Choice("bf16", 256), Choice("int8", 256), Choice("f32", 64), Choice("f32", 144)
GPU, ON_GPU = Gpu(0, "a card", software=False, free_memory=1), Choice("fp16", 256)


class Stopwatch:
    """A measuring function with given costs, 1 for others; it counts its calls."""

    def __init__(self, **costs: float) -> None:
        self.costs, self.calls = costs, 0

    def __call__(self, model: Artifact, among: Sequence[Choice], gpu: Gpu | None) -> list[float]:
        self.calls += 1
        return [self.costs.get(f"{one.precision}_{one.window}", 1.0) for one in among]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Folder of kept choices, of a test alone."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "double-resolution" / "choices"


@pytest.fixture
def amx(monkeypatch: pytest.MonkeyPatch) -> Callable[[bool], None]:
    """A function that sets if the processor has AMX; at first it has none."""

    def has(it: bool) -> None:
        monkeypatch.setattr(processor, "has_amx", lambda: it)

    has(False)
    return has


@pytest.fixture
def model(tmp_path: Path) -> Artifact:
    """A model that has int8."""
    return artifact.read(write_tiny_model(tmp_path / "model", int8=True))


def kept(cache: Path) -> Path:
    (file,) = cache.iterdir()
    return file


@pytest.mark.parametrize(
    ("costs", "expected"),
    [
        ((1.0, 1.0, 1.0), SMALL),
        ((1.0, 0.92, 0.85), SMALL),  # within the margins
        ((1.0, 0.9, 0.85), LARGE),
        ((1.0, 1.0, 0.83), INT8),
        ((1.0, 0.9, 0.8), LARGE),  # int8 is compared with the best float precision
        ((1.0, 0.9, 0.7), INT8),
        ((1.0, 2.0, 0.5), INT8),
    ],
)
def test_another_candidate_must_be_clearly_faster(costs: tuple[float, ...], expected: Choice) -> None:
    assert fastest((SMALL, LARGE, INT8), costs) == expected


def test_a_gpu_that_cannot_run_the_model_is_not_chosen() -> None:
    assert fastest((BF16, ON_GPU), (1.0, float("inf"))) == BF16
    assert fastest((BF16, ON_GPU), (1.0, 0.1)) == ON_GPU


@given(costs=st.lists(st.floats(0.9, 1.0), min_size=3, max_size=3))
def test_noise_below_the_margin_never_costs_quality(costs: list[float]) -> None:
    assert fastest((SMALL, LARGE, INT8), costs).precision == "f32"


def test_candidates_are_what_processor_and_model_have(
    amx: Callable[[bool], None], model: Artifact, tiny_model: Path
) -> None:
    floats = artifact.read(tiny_model)
    assert candidates(model) == (SMALL, LARGE, INT8)
    assert candidates(floats, GPU) == (SMALL, LARGE, ON_GPU)
    assert candidates(replace(model, jpeg_model=floats)) == (SMALL, LARGE)
    amx(True)
    assert candidates(model) == (BF16, INT8)
    assert candidates(floats) == (BF16,)


def test_a_choice_is_measured_once(amx: Callable[[bool], None], model: Artifact, cache: Path) -> None:
    first = Stopwatch(int8_256=0.5)
    assert [choose(model, measure=first) for _ in range(2)] == [INT8, INT8]
    assert first.calls == 1
    later = Stopwatch(int8_256=2.0)
    assert choose(model, measure=later) == INT8
    assert later.calls == 0
    assert kept(cache).stat().st_size < 100


def test_nothing_is_measured_or_kept_where_there_is_no_choice(
    amx: Callable[[bool], None], tiny_model: Path, cache: Path
) -> None:
    amx(True)
    stopwatch = Stopwatch()
    assert choose(artifact.read(tiny_model), measure=stopwatch) == BF16
    assert (stopwatch.calls, cache.exists()) == (0, False)


def another_processor(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(processor, "identity", lambda: "model name: another")


def other_cores(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(choice, "cores", lambda: cores() + 1)


def another_version(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(choice, "installed", lambda *package: installed(*package) if package else "99")


def another_engine(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(choice, "installed", lambda *package: "99" if package == ("openvino",) else installed(*package))


def another_set_of_candidates(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(processor, "has_amx", lambda: True)


@pytest.mark.parametrize(
    "change", [another_processor, other_cores, another_version, another_engine, another_set_of_candidates]
)
def test_a_choice_holds_for_one_machine_and_version(
    amx: Callable[[bool], None], model: Artifact, monkeypatch: pytest.MonkeyPatch, change: Callable[..., None]
) -> None:
    stopwatch = Stopwatch(int8_256=0.5)
    choose(model, measure=stopwatch)
    change(monkeypatch)
    choose(model, measure=stopwatch)
    assert stopwatch.calls == 2


def test_a_processor_is_known_by_what_stays_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    core = "processor\t: 0\nmodel name\t: One\ncpu MHz\t\t: {speed}\nflags\t\t: fpu {flag}\npower management:\n\n"
    file = tmp_path / "cpuinfo"
    monkeypatch.setattr(processor, "_PROCESSOR", file)
    unknown, found = processor.identity(), set()
    assert unknown and not processor.flags()
    for speed, flag in ((2000, "avx2"), (2100, "avx2"), (2100, "amx_bf16")):
        file.write_text(core.format(speed=speed, flag=flag) + core.replace("One", "Two"), encoding="utf-8")
        assert processor.flags() == {"fpu", flag}
        assert processor.has_amx() == (flag == "amx_bf16")
        found.add(processor.identity())
    assert len(found) == 2
    assert unknown not in found


def test_a_choice_holds_for_models_of_one_size(amx: Callable[[bool], None], tmp_path: Path) -> None:
    stopwatch = Stopwatch()
    for name, forms in {"a": {}, "b": {"seed": 1}, "wide": {"width": 6}, "two": {"networks": 2}}.items():
        choose(artifact.read(write_tiny_model(tmp_path / name, **forms)), measure=stopwatch)  # type: ignore[arg-type]
    assert stopwatch.calls == 3  # the second has other weights only


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"null",
        b"\xff\xfe",
        b'{"precision": "int8"}',
        b'{"precision": "int8", "window": 100000}',
        b'{"precision": "fp16", "window": 256}',
        b'{"precision": "int8", "window": 256}' + b" " * 2000,
        b"[" * 900,
    ],
)
def test_a_file_that_holds_no_candidate_is_replaced(
    amx: Callable[[bool], None], model: Artifact, cache: Path, content: bytes
) -> None:
    stopwatch = Stopwatch(f32_144=0.5)
    choose(model, measure=stopwatch)
    good = kept(cache).read_bytes()
    kept(cache).write_bytes(content)
    assert choose(model, measure=stopwatch) == LARGE
    assert stopwatch.calls == 2
    assert kept(cache).read_bytes() == good


def test_a_folder_or_a_pipe_in_place_of_the_file_is_ignored(
    amx: Callable[[bool], None], model: Artifact, cache: Path
) -> None:
    stopwatch = Stopwatch()
    choose(model, measure=stopwatch)
    file = kept(cache)
    file.unlink()
    os.mkfifo(file)  # which would block a reader
    assert choose(model, measure=stopwatch) == SMALL
    file.unlink()
    file.mkdir()
    assert choose(model, measure=stopwatch) == SMALL
    assert stopwatch.calls == 3


@pytest.mark.parametrize("place", ["/dev/null/cache", "/proc/cache"])
def test_a_folder_that_cannot_be_written_costs_only_the_measurement(
    amx: Callable[[bool], None], model: Artifact, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", place)
    stopwatch = Stopwatch(int8_256=0.5)
    assert [choose(model, measure=stopwatch) for _ in range(2)] == [INT8, INT8]
    assert stopwatch.calls == 2


def test_a_user_without_a_home_costs_only_the_measurement(
    amx: Callable[[bool], None], model: Artifact, monkeypatch: pytest.MonkeyPatch
) -> None:
    def homeless() -> Path:
        raise RuntimeError("could not determine home directory")

    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setattr(Path, "home", homeless)
    assert choose(model, measure=Stopwatch(int8_256=0.5)) == INT8


@pytest.mark.parametrize("precision", PRECISIONS)
def test_a_given_precision_is_not_measured(
    model: Artifact, cache: Path, monkeypatch: pytest.MonkeyPatch, precision: str
) -> None:
    monkeypatch.setattr(choice, "candidates", lambda *_: pytest.fail("a choice was made"))
    upscaler = Upscaler(model, precision)  # type: ignore[arg-type]
    assert (upscaler.precision, upscaler.window) == (precision, usual(precision).window)  # type: ignore[arg-type]
    assert not cache.exists()


def test_auto_takes_a_gpu_that_was_measured_to_be_faster(
    amx: Callable[[bool], None], model: Artifact, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(devices, "default_gpu", lambda: GPU)
    monkeypatch.setattr(devices, "gpus", lambda: (GPU,))
    costs = {"fp16_256": 0.9}
    monkeypatch.setattr(
        "upscaler.upscaler.choose_on",
        lambda device, model, precision: choose_on(device, model, precision, Stopwatch(**costs)),
    )
    monkeypatch.setattr("upscaler.upscaler.engine_for", lambda precision, gpu=None: lambda model, side: gpu)
    assert Upscaler.load(str(model.folder), device="auto").gpu is None
    another_version(monkeypatch)
    costs["fp16_256"] = 0.5
    assert Upscaler.load(str(model.folder), device="auto").gpu == GPU
    assert Upscaler.load(str(model.folder), "f32", "auto").gpu is None
    assert Upscaler.load(str(model.folder), device="cpu").gpu is None


@pytest.mark.parametrize("block", ["plain", "residual", "gated", "gated4"])
def test_every_kind_of_network_is_measured(tmp_path: Path, block: str) -> None:
    model = artifact.read(write_tiny_model(tmp_path / "tiny", networks=2, block=block, int8=True))  # type: ignore[arg-type]
    costs = probe.measure(model, [*map(usual, PRECISIONS), LARGE])
    assert len(costs) == 4
    assert 0 < min(costs) <= max(costs) < 1


def test_the_multiplications_in_a_window_are_those_of_each_layers_output() -> None:
    sides = {3 * 4: 6, 4 * 4: 4, 4 * 12: 2}  # by the products of a layer's channels
    assert TINY.multiplications_in(8) == sum(9 * channels * side**2 for channels, side in sides.items())


def test_devices_names_the_default(
    model: Artifact, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(devices, "gpus", tuple)
    main(["devices", "--model", str(model.folder)])
    _, *rows = (line.split() for line in capsys.readouterr().out.splitlines())
    default = choose(model, measure=Stopwatch())
    assert [row[1:3] for row in rows if "default" in row] == [[default.precision, str(default.window)]]


def test_every_window_gives_the_same_picture(model: Artifact) -> None:
    picture = photo_like(200, 170)
    small, large = (Upscaler(model, choice=one).upscale(picture).astype(int) for one in (SMALL, LARGE))
    assert abs(small - large).max() <= 1


@pytest.mark.parametrize("precision", ["fp16", "float32", "F32"])
def test_other_precisions_are_refused(model: Artifact, precision: Any) -> None:
    for load in (partial(Upscaler, model), partial(Upscaler.load, str(model.folder))):
        with pytest.raises(OptionError, match=f"the precision must be int8, bf16 or f32, got '{precision}'"):
            load(precision)


def test_a_precision_contradicts_a_gpu(model: Artifact) -> None:
    with pytest.raises(OptionError, match="a GPU computes in fp16, not f32"):
        Upscaler(model, "f32", gpu=GPU)


@pytest.mark.parametrize("window", [-5, 0, 2.5])
def test_windows_without_pixels_are_refused(model: Artifact, window: Any) -> None:
    with pytest.raises(OptionError, match=f"the window's side must be a whole number of pixels, .* got {window}"):
        Upscaler(model, "f32", window)


def test_sizes_without_pixels_are_refused(model: Artifact) -> None:
    upscaler = Upscaler(model, "f32")
    assert upscaler.memory_for([]) == 0
    for ask in (upscaler.prepare, upscaler.seconds_for, upscaler.count_windows):
        with pytest.raises(OptionError, match="height and width of a picture must be 1 or more, got 0 and 9"):
            ask(0, 9)
