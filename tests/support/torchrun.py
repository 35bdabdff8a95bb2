"""A program on two processes, as torchrun starts them."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[2]
TIMEOUT = 60  # seconds


@contextmanager
def two_processes(log: Path, *arguments: str) -> "Iterator[subprocess.Popen[str]]":
    """Start a module with its arguments on two processes without a GPU; their messages go into `log`."""
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    with (
        log.open("w", encoding="utf-8") as messages,
        subprocess.Popen([*torchrun, "-m", *arguments], env=environment, stderr=messages, text=True) as process,
    ):
        try:
            yield process
        finally:
            process.terminate()
