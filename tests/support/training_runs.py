"""Configurations of short training runs, and the environment of long ones that tests end."""

from pathlib import Path
from typing import Any

from support.shards import write_shard
from training_pipeline.config import TrainingConfig

ROOT = Path(__file__).parents[2]


def small_config(folder: Path, **changes: Any) -> TrainingConfig:
    """Configure a run of a network of 4 channels on shards in `folder`, which are written if missing."""
    for name, first in (("train_0", 0), ("validation", 1000)):
        if not (folder / name).exists():
            write_shard(folder / name, first=first)
    values: dict[str, Any] = {
        "shards": (folder / "train_0",),
        "validation": (folder / "validation",),
        "out": folder / "run",
        "size": "4x1",
        "steps": 7,
        "batch": 2,
        "crop": 8,
        "threads": 1,
    }
    return TrainingConfig(**values | changes)


def environment() -> dict[str, str]:
    """Return variables for a run in a process of its own, on one thread."""
    not_compiled = {"CXX": "none"}  # long runs would be, which takes longer than the tests
    return {"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin", "OMP_NUM_THREADS": "1", **not_compiled}
