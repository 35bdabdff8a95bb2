"""Hostile models: false declarations are refused with one sentence before they cost memory."""

import hashlib
import json
import os
import shutil
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from safetensors.numpy import load_file, save

from support.models import write_tiny_model
from support.pictures import photo_like
from upscaler import Upscaler
from upscaler.engines.engine import engine_for
from upscaler.engines.precision import PRECISIONS, Precision
from upscaler.errors import ModelError
from upscaler.model import artifact, find
from upscaler.model.architecture import GREATEST_STEP, KERNEL_LEVEL, LEAST_STEP, MAX_WIDTH, as_stored
from upscaler.pixels import to_planes

Change = Callable[[dict[str, Any]], object]
HUGE = 10**12


@pytest.fixture
def tiny_model(tmp_path: Path) -> Path:
    """The folder of a model with weights for every engine."""
    return write_tiny_model(tmp_path / "tiny_model", int8=True)


def refusal(folder: Path) -> str:
    """Return the error message with which each engine refuses the model."""
    messages = []
    for precision in PRECISIONS:
        with pytest.raises(ModelError) as refused:
            Upscaler(find.model(str(folder)), precision, window=16)
        messages.append(str(refused.value))
    assert len(set(messages)) == 1
    assert "\n" not in messages[0]
    assert len(messages[0]) < 500
    return messages[0]


def change_config(folder: Path, change: Change) -> None:
    config = json.loads((folder / "config.json").read_text())
    change(config)
    (folder / "config.json").write_text(json.dumps(config))


def replace(folder: Path, file: str, content: bytes) -> None:
    """Replace a file, and its hash in config.json."""
    (folder / file).write_bytes(content)
    change_config(folder, lambda config: config["sha256"].update({file: hashlib.sha256(content).hexdigest()}))


def member(**changes: Any) -> dict[str, Any]:
    return {"name": "0", "parts": ["train_0"], "pictures": 1, "steps": 1} | changes


CONFIGS: dict[str, Change] = {
    "depth": lambda c: c["architecture"].update(depth=HUGE),
    "width": lambda c: c["architecture"].update(width=HUGE),
    "width of many digits": lambda c: c["architecture"].update(width=10**4000),
    "negative depth": lambda c: c["architecture"].update(depth=-1),
    "convolutions": lambda c: c.update(architecture={"width": 4, "depth": 43, "block": "gated"}),
    "convolutions of all networks": lambda c: c.update(
        architecture={"width": 1, "depth": 128}, combination="outputs", members=[member()] * 16
    ),
    "block": lambda c: c["architecture"].update(block="x" * 5000),
    "both at their limits in many networks": lambda c: c.update(
        architecture={"width": 256, "depth": 128}, combination="outputs", members=[member()] * 200
    ),
    "members": lambda c: c.update(members=[member()] * 200_000, combination="outputs"),
    "no members": lambda c: c.update(members=[], combination="outputs"),
    "name": lambda c: c.update(members=[member(name="n" * 5000)]),
    "parts": lambda c: c.update(members=[member(parts=["p"] * 5000)]),
    "part's name": lambda c: c.update(members=[member(parts=["p" * 5000])]),
    "pictures": lambda c: c.update(members=[member(pictures=10**30)]),
    "steps": lambda c: c.update(members=[member(steps=10**30)]),
    "ancestor": lambda c: c.update(members=[member(ancestor="a" * 5000)]),
    "hash": lambda c: c["sha256"].update({"model.safetensors": "0" * 5000}),
    "hashes": lambda c: c["sha256"].update({str(n): "0" * 64 for n in range(5000)}),
    "a field's name": lambda c: c.update({"x\n" * 300_000: 1}),
    "length": lambda c: c.update(combination="x" * 3_000_000),
}


@pytest.mark.parametrize("name", CONFIGS)
def test_a_config_out_of_bounds_is_refused(tiny_model: Path, name: str) -> None:
    change_config(tiny_model, CONFIGS[name])
    assert "config.json" in refusal(tiny_model)


@pytest.mark.parametrize("file", ["config.json", "metrics.json"])
@pytest.mark.parametrize(
    "content", [b"[" * 500_000, b'{"a":' * 100_000, b"[]", b"1e999999", b"\xff", b'"\\ud800"', b""]
)
def test_foreign_json_is_refused(tiny_model: Path, file: str, content: bytes) -> None:
    (tiny_model / file).write_bytes(content)
    assert file in refusal(tiny_model)


@pytest.mark.parametrize("file", [*artifact.FILES, *artifact.COMPANIONS])
def test_a_file_over_the_size_limit_is_refused_unread(tiny_model: Path, file: str) -> None:
    (tiny_model / file).touch()
    os.truncate(tiny_model / file, 1 << 40)  # a sparse file
    assert "exceeds the limit of" in refusal(tiny_model)


def test_a_weights_file_longer_than_its_network_is_refused(tiny_model: Path) -> None:
    replace(tiny_model, "model.safetensors", (tiny_model / "model.safetensors").read_bytes() + bytes(1_000_000))
    assert "is longer than the arrays of its config.json" in refusal(tiny_model)


KINDS = ("float16", "float64", "uint8", "int8", "int32", "int64", "bool")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("all_of_them", [True, False])
def test_weights_of_another_type_are_refused(tiny_model: Path, kind: str, all_of_them: bool) -> None:
    weights = load_file(tiny_model / "model.safetensors")
    changed = weights if all_of_them else {"networks.0.layers.0.bias": None}
    weights |= {name: weights[name].astype(kind) for name in changed}
    replace(tiny_model, "model.safetensors", save(weights))
    assert "write the weights as float32" in refusal(tiny_model)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_weights_that_are_not_finite_are_refused(tiny_model: Path, value: float) -> None:
    weights = load_file(tiny_model / "model.safetensors")
    weights["networks.0.layers.1.weight"][0, 0, 1, 1] = value
    replace(tiny_model, "model.safetensors", save(weights))
    assert "networks.0.layers.1.weight has values that are not finite" in refusal(tiny_model)


ROUNDED = "int8.networks.0.layers.1"


@pytest.mark.parametrize("name", ["scale", "step"])
@pytest.mark.parametrize("value", [0, -1, 1e-20, 1e20, np.nan])
def test_steps_out_of_bounds_are_refused(tiny_model: Path, name: str, value: float) -> None:
    weights = load_file(tiny_model / "model.safetensors")
    weights[f"{ROUNDED}.{name}"][0] = value
    replace(tiny_model, "model.safetensors", save(weights))
    assert f"{ROUNDED}.{name} has values" in refusal(tiny_model)


@pytest.mark.parametrize("level", [-128, -KERNEL_LEVEL - 1, KERNEL_LEVEL + 1, 127])
def test_levels_that_could_overflow_are_refused(tiny_model: Path, level: int) -> None:
    weights = load_file(tiny_model / "model.safetensors")
    weights[f"{ROUNDED}.weight"][0, 0, 1, 1] = level
    replace(tiny_model, "model.safetensors", save(weights))
    assert f"{ROUNDED}.weight has levels outside -64 to 64" in refusal(tiny_model)


@pytest.mark.parametrize("name", ["weight", "scale", "step", "zero", "bias"])
def test_an_incomplete_network_in_int8_is_refused(tiny_model: Path, name: str) -> None:
    weights = load_file(tiny_model / "model.safetensors")
    del weights[f"{ROUNDED}.{name}"]
    replace(tiny_model, "model.safetensors", save(weights))
    assert f"the weights lack {ROUNDED}.{name}" in refusal(tiny_model)


def test_arrays_in_int8_that_the_config_does_not_declare_are_refused(tiny_model: Path) -> None:
    change_config(tiny_model, lambda config: config.pop("int8"))
    with pytest.raises(ModelError, match="unknown array 'int8"):
        Upscaler(find.model(str(tiny_model)), "f32")


steps = st.sampled_from([LEAST_STEP, 1e-3, 1.0, GREATEST_STEP])


@pytest.mark.slow
@settings(max_examples=15)
@given(scale=steps, step=steps, zero=st.sampled_from([0, 1, 128, 255]), level=st.integers(-KERNEL_LEVEL, KERNEL_LEVEL))
def test_every_network_in_int8_within_the_bounds_runs(
    tmp_path_factory: pytest.TempPathFactory, scale: float, step: float, zero: int, level: int
) -> None:
    model = find.model(str(write_tiny_model(tmp_path_factory.mktemp("models") / "tiny", int8=True)))
    int8 = {name: array.copy() for name, array in model.int8_weights().items()}
    for kind, value in (("scale", scale), ("step", step), ("zero", zero), ("weight", level)):
        int8[f"networks.0.layers.1.{kind}"][:] = value
    changed = artifact.write(model.folder, model.config, model.weights(), {}, "", int8=int8)
    ((_, planes),) = engine_for("int8")(changed, 12).run([(0, to_planes(photo_like(12, 12)))])
    assert np.isfinite(planes).all()


def safetensors(header: object, content: bytes = b"") -> bytes:
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + content


@pytest.mark.parametrize(
    "content",
    [
        b"",
        struct.pack("<Q", 2**63),
        struct.pack("<Q", 100) + b"[" * 100,
        safetensors({}),
        safetensors(
            {"networks.0.layers.0.bias": {"dtype": "F32", "shape": [2**62, 4], "data_offsets": [0, 4]}}, b"1234"
        ),
        safetensors({"networks.0.layers.0.bias": {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]}}),
        safetensors({"networks.0.layers.0.bias": {"dtype": "F32", "shape": [1], "data_offsets": [-4, 0]}}, b"1234"),
        safetensors({"\n" * 300: {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}, b"1234"),
    ],
)
def test_invalid_weights_files_are_refused(tiny_model: Path, content: bytes) -> None:
    replace(tiny_model, "model.safetensors", content)
    refusal(tiny_model)


@settings(max_examples=150)
@given(data=st.data())
def test_corrupt_bytes_never_reach_an_engine(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    folder = tmp_path_factory.getbasetemp() / "changed_weights"
    if not folder.exists():
        write_tiny_model(folder, int8=True)
        shutil.copy(folder / "model.safetensors", folder / "whole")
    content = bytearray((folder / "whole").read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, 1800))] = data.draw(st.integers(0, 255))
    replace(folder, "model.safetensors", bytes(content))
    try:
        model = find.model(str(folder))
        weights = as_stored(model.weights(), model.int8_weights())
    except ModelError as error:
        assert "\n" not in str(error)
    else:
        whole = load_file(folder / "whole")
        assert {name: (a.dtype, a.shape) for name, a in weights.items()} == {
            name: (a.dtype, a.shape) for name, a in whole.items()
        }
        assert all(np.isfinite(array).all() for array in weights.values())


def test_writing_refuses_invalid_weights(tiny_model: Path, tmp_path: Path) -> None:
    model = find.model(str(tiny_model))
    name = "networks.0.layers.0.bias"
    arrays: list[NDArray[Any]] = [model.weights()[name].astype(np.float16), np.full(4, np.nan, np.float32)]
    for bad in arrays:
        with pytest.raises(ModelError, match=name):
            artifact.write(tmp_path / "new", model.config, model.weights() | {name: bad}, {}, "")
    assert not (tmp_path / "new" / "config.json").exists()


@pytest.mark.parametrize("file", [*artifact.FILES, *artifact.COMPANIONS])
def test_a_link_out_of_the_folder_is_refused(tiny_model: Path, tmp_path: Path, file: str) -> None:
    outside = tmp_path / "outside"
    (tiny_model / file).touch()
    (tiny_model / file).rename(outside)
    (tiny_model / file).symlink_to(outside)
    assert "is a link out of the model's folder" in refusal(tiny_model)


def test_a_jpeg_network_that_is_a_link_out_of_the_folder_is_refused(two_models: Path, tmp_path: Path) -> None:
    (two_models / "jpegs").rename(tmp_path / "outside")
    (two_models / "jpegs").symlink_to(tmp_path / "outside")
    assert "is a link out of the model's folder" in refusal(two_models)


def test_a_folder_that_is_a_link_and_links_within_it_are_read(tiny_model: Path, tmp_path: Path) -> None:
    (tiny_model / "README.md").rename(tiny_model / "card.md")
    (tiny_model / "README.md").symlink_to("card.md")
    (tmp_path / "link").symlink_to(tiny_model)
    assert find.model(str(tmp_path / "link")).revision == find.model(str(tiny_model)).revision


def test_nested_jpeg_networks_are_refused(two_models: Path) -> None:
    inner = two_models / "jpegs"
    content = (inner / "config.json").read_bytes()
    (inner / "jpegs").mkdir()
    replace(inner, "jpegs/config.json", content)
    replace(two_models, "jpegs/config.json", (inner / "config.json").read_bytes())
    assert "has a JPEG network itself" in refusal(two_models)


@pytest.mark.parametrize("precision", PRECISIONS)
def test_the_widest_network_that_is_allowed_runs(precision: Precision, tmp_path: Path) -> None:
    model = find.model(str(write_tiny_model(tmp_path / "wide", width=MAX_WIDTH, int8=True)))
    side = 2 * model.config.architecture.radius + 4
    ((_, planes),) = engine_for(precision)(model, side).run([(0, to_planes(photo_like(side, side)))])
    assert planes.shape == (1, 3, 8, 8)


IN_LITTLE_MEMORY = """
import resource, sys
resource.setrlimit(resource.RLIMIT_AS, (3 << 30, 3 << 30))
from upscaler.__main__ import main
main([sys.argv[1], "--model", sys.argv[2]])
"""


def test_a_huge_network_is_refused_without_memory(tiny_model: Path) -> None:
    change_config(tiny_model, CONFIGS["depth"])
    command = [sys.executable, "-c", IN_LITTLE_MEMORY, "photo.png", str(tiny_model)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 1
    assert "depth: input should be less than or equal to 128" in done.stderr
    assert "Traceback" not in done.stderr
