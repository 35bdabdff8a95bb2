"""Count of usable cores."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from support.models import write_tiny_model
from upscaler.engines import cores
from upscaler.engines.precision import PRECISIONS

ROOT = Path(__file__).parents[2]
OWN = len(os.sched_getaffinity(0))


@pytest.mark.parametrize(
    ("limit", "expected"),
    [("max 100000", OWN), ("50000 100000", 1), ("100000 100000", 1), ("100001 100000", min(2, OWN)), (None, OWN)],
)
def test_a_control_group_may_have_fewer_cores(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, limit: str | None, expected: int
) -> None:
    if limit:
        (tmp_path / "cpu.max").write_text(limit + "\n")
    monkeypatch.setattr(cores, "_CGROUP_CPU", tmp_path / "cpu.max")
    assert cores.cores() == expected


ENGINE = """
import os, sys
from contextlib import suppress
from pathlib import Path
import numpy as np
from upscaler import Upscaler
from upscaler.engines.cores import use_at_most
from upscaler.model import find
from upscaler.upscaler import empty_double
use_at_most(1)
before, seen = os.sched_getaffinity(0), 0
noise = np.random.default_rng(0).integers(0, 256, (600, 600, 3), np.uint8)
for _ in Upscaler(find.model(sys.argv[1]), sys.argv[2]).upscale_into(empty_double(noise), noise):
    for thread in Path("/proc/self/task").iterdir():
        with suppress(ProcessLookupError):  # it ended
            assert os.sched_getaffinity(int(thread.name)) == before
            seen += 1
assert seen
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="only Linux lists threads")
@pytest.mark.skipif(OWN == 1, reason="needs two cores")
@pytest.mark.parametrize("precision", PRECISIONS)
def test_no_thread_is_bound_to_a_core(tmp_path: Path, precision: str) -> None:
    """Else processes side by side, such as the workers of a batch, would all compute on the first core."""
    model = write_tiny_model(tmp_path / "model", int8=True)
    command = [sys.executable, "-c", ENGINE, str(model), precision]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
