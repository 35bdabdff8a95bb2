"""Memory is asked for before work starts, and what is asked for is about what it takes."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from generated import photo_like
from PIL import Image

from upscaler import budget
from upscaler.reading import read_header

ROOT = Path(__file__).parents[2]


def test_a_control_group_limits_what_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(budget, "_CGROUP", tmp_path)
    machine = budget.left()
    (tmp_path / "memory.max").write_text("5000\n")
    (tmp_path / "memory.current").write_text("2000\n")
    assert budget.left() == 3000
    (tmp_path / "memory.max").write_text("max\n")
    assert budget.left() > machine / 2


def test_frames_depth_and_times_raise_the_need(tmp_path: Path) -> None:
    frames = [Image.fromarray(photo_like(200, 300, seed)) for seed in range(4)]
    still, moving = tmp_path / "a.png", tmp_path / "a.gif"
    frames[0].save(still)
    frames[0].save(moving, save_all=True, append_images=frames[1:])
    one = budget.need(read_header(still), times=1)
    assert budget.need(read_header(moving), times=1) > one
    assert budget.need(read_header(still), times=2) > one


MEASURED = """
import sys
from pathlib import Path
from ensemble_pipeline.cost import peak_memory
from upscaler import Upscaler, double_file
list(double_file(Upscaler.load(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3])))
print(peak_memory())
"""


@pytest.mark.slow
@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif"])
def test_the_need_is_not_exceeded(tmp_path: Path, tiny_model: Path, suffix: str) -> None:
    source, target = tmp_path / "a.jpg", tmp_path / f"b{suffix}"
    tile = photo_like(500, 500)
    Image.fromarray(np.tile(tile, (6, 8, 1))).save(source, quality=95)
    command = [sys.executable, "-c", MEASURED, str(tiny_model), str(source), str(target)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    assert int(done.stdout) < budget.need(read_header(source), times=1)
