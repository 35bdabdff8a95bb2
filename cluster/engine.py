"""Engines: where tasks run. One after another in this process, or side by side on the nodes of a Ray cluster."""

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any, Literal

from cluster.errors import StorageError
from cluster.task import Task, attempt
from upscaler.options import check_limits, option

Name = Literal["local", "ray"]

# Ray listens on the loopback where it takes no part in clusters of several machines, and lets in who has its token
_OURS_ALONE = {"RAY_AUTH_MODE": "token", "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}


@dataclass(frozen=True)
class Engine:
    """`address`: of the Ray cluster; none starts one on this machine. `storage`: what all its nodes read and write.
    `gpus`: for each training run.

    Raises StorageError if Ray has no storage to work on.
    """

    name: Name = option("this process, or a Ray cluster", default="local", flags=("--engine",))
    address: str | None = option(
        "address of the Ray cluster, such as auto (default: one is started on this machine)", default=None
    )
    storage: str | None = option(
        "where folders are read and written: a path, or s3://bucket/prefix (default: here)", default=None
    )
    gpus: float = option("GPUs that each training run asks the Ray cluster for", default=0, least=0)

    def __post_init__(self) -> None:
        check_limits(self)
        if self.name == "ray" and self.storage is None:
            raise StorageError("nodes share what they make; give --storage, a path that all see or s3://bucket/prefix")

    def run(self, tasks: Sequence[Task]) -> dict[str, str]:
        """Do all tasks; those that failed by name, each with a sentence. The others are done all the same."""
        if self.name == "ray":
            failed: dict[str, str] = _on_ray(self.address).run(tasks, self.address)
        else:
            failed = {task.name: sentence for task in tasks if (sentence := attempt(task.work))}
        for name, sentence in failed.items():
            print(f"error: {name}: {sentence}", file=sys.stderr)
        return failed

    def do(self, task: Task) -> Any:
        """Do one task and give what it gives, or raise what it raises; StorageError if its node died again and again.

        Threads may call it side by side.
        """
        if self.name == "ray":
            return _on_ray(self.address).do(task, self.address)
        return task.work()


def _on_ray(address: str | None) -> ModuleType:
    """Import Ray, which reads its environment then; a cluster that starts here is to be this machine's alone."""
    if address is None:
        os.environ |= _OURS_ALONE
    from cluster import on_ray

    return on_ray
