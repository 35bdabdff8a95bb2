"""Count of usable cores."""

import os
from pathlib import Path

import pytest

from upscaler.engines import cores

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
