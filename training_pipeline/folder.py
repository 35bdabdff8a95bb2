"""The folder of a model or an evaluation, and the one rule by which commands write to it."""

import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from enum import Enum
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from cluster.lock import InUseError, locked
from feature_pipeline import shards
from training_pipeline.errors import TrainingError
from upscaler import json_files, saved
from upscaler.json_files import JsonError
from upscaler.model import find
from upscaler.model.artifact import COMPANIONS, CONFIG, DATA, FILES

# Records of the commands, beside the models that they made
RUN, COMBINATION, BUILD, EVALUATION = "run.json", "combine.json", "build.json", "evaluate.json"
# Other contents of a run, and of what was made of runs
CHECKPOINTS, TENSORBOARD, WANDB, LOG = "checkpoints", "tensorboard", "wandb", "log.jsonl"
DISTILLATION = "distillation"
TABLE, SCORES = "evaluation.md", "evaluation.json"  # of an evaluation

_STEP = "step-"  # beginning of a checkpoint's name

PATIENCE, RETRY = 60.0, 0.05  # seconds

INSTEAD = "another --out, or --overwrite to replace it"


class Kind(Enum):
    """Content of a folder, in words."""

    SHARDS = "tile shards"
    COMBINED = "a combined model"
    RUN = "a run"
    MODEL = "a model"
    EVALUATION = "an evaluation"


class RecordedRun(BaseModel, strict=True):
    """Schema of what is read of a run's configuration, besides comparing it."""

    steps: int | None = None
    init_from: str | None = None


IsOwn = Callable[[Kind], bool]


def kind(folder: Path) -> Kind | None:
    """Return the kind of a folder's content; None if it is free."""
    if shards.is_part(folder):
        return Kind.SHARDS
    marks = {
        Kind.COMBINED: (COMBINATION,),
        Kind.RUN: (RUN, CHECKPOINTS),
        Kind.MODEL: (CONFIG,),
        Kind.EVALUATION: (EVALUATION, TABLE, SCORES),
    }
    return next((one for one, names in marks.items() if any((folder / name).exists() for name in names)), None)


def recorded(run: Path) -> dict[str, Any] | None:
    """Read the configuration that a run recorded; None if it has no record. Raises TrainingError if that is broken."""
    if not (path := run / RUN).exists():
        return None
    try:
        content = json_files.load(path, dict[str, Any], saved.MOST_BYTES)
        json_files.check(content, RecordedRun)
    except JsonError as error:
        raise TrainingError(f"{path}: {error}; restore it, or remove it and give the same options again") from error
    return content


def checkpoint(run: Path, step: int) -> Path:
    """Return the path of a run's checkpoint after `step` steps."""
    return run / CHECKPOINTS / f"{_STEP}{step:08}.pt"


def checkpoints(run: Path) -> dict[int, Path]:
    """Return the paths of a run's checkpoints by their steps, in order; other files, such as copies, are left out."""
    numbers = {path.stem.removeprefix(_STEP): path for path in (run / CHECKPOINTS).glob(f"{_STEP}*.pt")}
    return dict(sorted((int(number), path) for number, path in numbers.items() if number.isdecimal()))


@contextmanager
def claimed(folder: Path, is_own: IsOwn, overwrite: bool, instead: str = INSTEAD) -> Iterator[None]:
    """Hold a folder while a command writes its result there, after removing the one that it replaces.

    Raises as `check` does, and InUseError if another process holds the folder.
    """
    check(folder, is_own, overwrite, instead)
    with locked(folder):
        check(folder, is_own, overwrite, instead)  # again, as another process may have written it in between
        if (found := kind(folder)) and not is_own(found):
            _clear(folder)
        yield


@contextmanager
def turn(folder: Path) -> Iterator[None]:
    """Hold a folder for a change of moments: read in it, then write. Waits for other processes.

    Raises InUseError if another process holds the folder for a minute.
    """
    with ExitStack() as held:
        _wait(held, folder)
        yield


def _wait(held: ExitStack, folder: Path) -> None:
    until = time.monotonic() + PATIENCE
    while True:
        try:
            held.enter_context(locked(folder))
            return
        except InUseError:
            if time.monotonic() >= until:
                raise
            time.sleep(RETRY)


def check(folder: Path, is_own: IsOwn, overwrite: bool, instead: str = INSTEAD) -> None:
    """Raise TrainingError if writing a result to the folder would replace other work.

    is_own: returns True if the command continues content of that kind. overwrite: other results may be replaced.
    instead: options that the sentence proposes.
    """
    if find.is_bundled(folder):
        raise TrainingError(f"{folder} is a bundled model, which no command changes; give another --out")
    found = kind(folder)
    if found is Kind.SHARDS:
        raise TrainingError(f"{folder} holds {found.value}; give another --out")
    if found and not overwrite and not is_own(found):
        raise TrainingError(f"{folder} already holds {found.value}; give {instead}")


def _clear(folder: Path) -> None:
    """Remove all that would pass for a part of the next result; DATA.md stays, which people write."""
    for name in (*FILES, *COMPANIONS, RUN, COMBINATION, BUILD, LOG, EVALUATION, TABLE, SCORES):
        if name != DATA:
            (folder / name).unlink(missing_ok=True)
    for path in (folder / CHECKPOINTS, folder / TENSORBOARD, folder / WANDB, *folder.glob(f"{DISTILLATION}-*")):
        shutil.rmtree(path, ignore_errors=True)
