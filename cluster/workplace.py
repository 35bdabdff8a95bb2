"""The working folder of a task on a node: inputs from the storage, outputs mirrored to it."""

import contextlib
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TypeVar

from cluster import storage
from cluster.uploader import Uploader

Made = TypeVar("Made")


def work_in(
    place: str,
    inputs: Iterable[Path],
    output: Path,
    work: Callable[[], Made],
    kept: Callable[[str], bool] = lambda _: True,
) -> Made:
    """Run `work` in a temporary folder, with `inputs` and `output` under their names in the storage; return its result.

    Names are relative, so that a stage records the same names on every node. Raises the errors of `work`, and
    StorageError.
    """
    shared = storage.at(place)
    with tempfile.TemporaryDirectory(prefix="double_resolution_") as scratch, contextlib.chdir(scratch):
        for folder in inputs:
            fetch(shared, folder)
        with Uploader(shared, output, kept):
            return work()


def fetch(shared: storage.Storage, folder: Path) -> None:
    """Copy a folder from the storage to the same local name."""
    for name in shared.sizes(folder.as_posix()):
        shared.get((folder / name).as_posix(), folder / name)
