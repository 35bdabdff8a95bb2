"""Count of usable cores."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from support.models import write_tiny_model
from upscaler import control_groups
from upscaler.engines import cores
from upscaler.engines.precision import PRECISIONS

ROOT = Path(__file__).parents[2]
OWN = len(os.sched_getaffinity(0))


@pytest.fixture
def control_group(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in place of the control groups' one; this process is in the group user/own, of version 2 and 1."""
    (tmp_path / "own_groups").write_text("3:cpu,cpuacct:/user/own\n0::/user/own\n")
    monkeypatch.setattr(control_groups, "_ROOT", tmp_path)
    monkeypatch.setattr(control_groups, "_OWN_GROUPS", tmp_path / "own_groups")
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)))
    return tmp_path


@pytest.mark.parametrize(
    ("limit", "expected"),
    [("max 100000", 8), ("50000 100000", 1), ("100000 100000", 1), ("100001 100000", 2), ("900000 100000", 8), ("", 8)],
)
@pytest.mark.parametrize("group", ["", "user", "user/own"])
def test_a_control_group_may_have_fewer_cores(control_group: Path, group: str, limit: str, expected: int) -> None:
    (control_group / group).mkdir(parents=True, exist_ok=True)
    (control_group / group / "cpu.max").write_text(f"{limit}\n")
    assert cores.cores() == expected


@pytest.mark.parametrize(("quota", "expected"), [(-1, 8), (150_000, 2), (400_000, 4)])
@pytest.mark.parametrize("group", ["", "user", "user/own"])
def test_a_control_group_of_version_1_may_have_fewer_cores(
    control_group: Path, group: str, quota: int, expected: int
) -> None:
    folder = control_group / "cpu" / group
    folder.mkdir(parents=True)
    (folder / "cpu.cfs_quota_us").write_text(f"{quota}\n")
    (folder / "cpu.cfs_period_us").write_text("100000\n")
    assert cores.cores() == expected


def test_the_least_quota_of_all_groups_applies(control_group: Path) -> None:
    (control_group / "user" / "own").mkdir(parents=True)
    for group, limit in (("user", "300000 100000"), ("user/own", "500000 100000")):
        (control_group / group / "cpu.max").write_text(limit)
    assert cores.cores() == 3


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
