"""Engines that run tasks: one after another in this process, or in parallel on the nodes of a Ray cluster."""

import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any, Literal, TypeVar

from cluster.errors import StorageError
from cluster.task import Task, attempt
from upscaler.options import check_limits, option
from upscaler.streams import escaped, say

Name = Literal["local", "ray"]
Function = TypeVar("Function", bound=Callable[..., Any])

# Without clusters of several machines, Ray listens on the loopback only; clients need its token
_LOCAL_ONLY = {"RAY_AUTH_MODE": "token", "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}


@dataclass(frozen=True)
class Engine:
    """An engine. `address`: of the Ray cluster; None starts one on this machine. `storage`: shared by all its nodes.

    `gpus`: for each training run.

    Raises StorageError for Ray without storage.
    """

    name: Name = option("this process, or a Ray cluster", default="local", flags=("--engine",))
    address: str | None = option(
        "address of the Ray cluster, such as auto (default: one is started on this machine)",
        default=None,
        needs={"name": "ray"},
    )
    storage: str | None = option(
        "where folders are read and written: a path, or s3://bucket/prefix (default: here)", default=None
    )
    gpus: float = option(
        "GPUs that each training run asks the Ray cluster for", default=0, least=0, needs={"name": "ray"}
    )

    def __post_init__(self) -> None:
        check_limits(self)
        if self.name == "ray" and self.storage is None:
            raise StorageError(
                "Ray needs shared storage; give --storage, a path that all nodes see or s3://bucket/prefix"
            )

    def run(self, tasks: Sequence[Task]) -> dict[str, str]:
        """Run all tasks, even if some fail; return the error messages of the failed ones by name."""
        if self.name == "ray":
            failed: dict[str, str] = on_ray(self.address).run(tasks, self.address)
        else:
            failed = {task.name: sentence for task in tasks if (sentence := attempt(task.work))}
        for name, sentence in failed.items():
            say(escaped(f"error: {name}: {sentence}"), sys.stderr)
        return failed

    def do(self, task: Task) -> Any:
        """Run one task and return its result. Raises its errors, and StorageError if its node died repeatedly.

        Thread-safe.
        """
        if self.name == "ray":
            return on_ray(self.address).do(task, self.address)
        return task.work()

    def callback(self, function: Function) -> Function:
        """Return a function for tasks to call, which runs on this machine; for Ray, both must be picklable."""
        if self.name == "ray":
            called: Function = on_ray(self.address).callback(function, self.address)
            return called
        return function


def on_ray(address: str | None) -> ModuleType:
    """Import Ray, which then reads its environment, and return the module that uses it.

    A cluster started here is accessible from this machine only.
    """
    if address is None:
        os.environ |= _LOCAL_ONLY
    from cluster import on_ray as module

    return module
