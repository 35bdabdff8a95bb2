"""ONNX graphs of a model, written for other programs."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest

from ensemble_pipeline import onnx_export
from ensemble_pipeline.config import ExportConfig
from ensemble_pipeline.errors import EnsembleError
from support.pictures import photo_like
from upscaler import Upscaler
from upscaler.engines.openvino_engine import CORE
from upscaler.model import find
from upscaler.pixels import to_planes


def test_both_networks_are_written_as_valid_graphs(
    two_models: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    onnx_export.run(ExportConfig(str(two_models), tmp_path / "out" / "model.onnx"))
    written = [tmp_path / "out" / name for name in ("model.onnx", "model_jpegs.onnx")]
    assert capsys.readouterr().out.split() == [str(path) for path in written]
    for path in written:
        onnx.checker.check_model(str(path), full_check=True)
    assert written[0].read_bytes() != written[1].read_bytes()


def test_the_graph_computes_what_the_engine_does(tiny_model: Path, tmp_path: Path) -> None:
    onnx_export.run(ExportConfig(str(tiny_model), tmp_path / "model.onnx"))
    model = find.model(str(tiny_model))
    picture, halo = photo_like(40, 50), model.config.architecture.radius
    extended = np.pad(picture, ((halo, halo), (halo, halo), (0, 0)), mode="reflect")
    compiled = CORE.compile_model(str(tmp_path / "model.onnx"), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    doubled = compiled(to_planes(extended))[0][0].transpose(1, 2, 0) * 255
    assert np.abs(doubled.clip(0, 255).round() - Upscaler(model, "f32").upscale(picture)).max() <= 1


def test_no_file_is_replaced_unasked(two_models: Path, tiny_model: Path, tmp_path: Path) -> None:
    (tmp_path / "model_jpegs.onnx").write_bytes(b"mine")
    config = ExportConfig(str(two_models), tmp_path / "model.onnx")
    with pytest.raises(EnsembleError, match=r"model_jpegs\.onnx already exists; give another name, or --overwrite"):
        onnx_export.run(config)
    assert [path.name for path in tmp_path.glob("*.onnx")] == ["model_jpegs.onnx"]
    onnx_export.run(ExportConfig(str(tiny_model), tmp_path / "model.onnx"))  # it has no network for JPEGs
    onnx_export.run(replace(config, overwrite=True))
    assert (tmp_path / "model_jpegs.onnx").read_bytes() != b"mine"


def test_a_missing_package_is_one_sentence(tiny_model: Path, tmp_path: Path) -> None:
    program = "import sys; sys.modules['onnx'] = None; from ensemble_pipeline.__main__ import main; main()"
    command = [sys.executable, "-c", program, "export", str(tiny_model), str(tmp_path / "model.onnx")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == "error: onnx is missing; install it with pip install 'double-resolution[export]'\n"
