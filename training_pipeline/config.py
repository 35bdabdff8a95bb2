"""All that decides a training run, checked."""

import json
import math
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from training_pipeline import optimisers
from training_pipeline.errors import TrainingError
from training_pipeline.losses import LOSSES
from training_pipeline.network import architecture

TILE = 128  # pixels a side of the small tile
LONG_STEPS, LONG_MINUTES = 100, 5

LIMITS: dict[str, tuple[Callable[[Any], bool], str]] = {
    "steps": (lambda value: value >= 1, "1 or more"),
    "minutes": (lambda value: 0 < value < math.inf, "a number above 0"),
    "share": (lambda value: 0 < value <= 1, "a share above 0 and at most 1"),
    "batch": (lambda value: value >= 1, "1 or more"),
    "crop": (lambda value: 1 <= value <= TILE, f"1 to {TILE}, the side of a small tile"),
    "learning_rate": (lambda value: 0 < value < math.inf, "a number above 0"),
    "weight_decay": (lambda value: 0 <= value < math.inf, "0 or a number above it"),
    "dropout": (lambda value: 0 <= value < 1, "a share from 0 to below 1"),
    "average": (lambda value: 0 <= value < 1, "a decay from 0 to below 1"),
    "clip": (lambda value: value > 0, "a number above 0"),
    "loss": (lambda value: value in LOSSES, " or ".join(LOSSES)),
    "optimiser": (lambda value: value in optimisers.NAMES, " or ".join(optimisers.NAMES)),
    "seed": (lambda value: value >= 0, "0 or more"),
    "threads": (lambda value: value >= 1, "1 or more"),
}


@dataclass(frozen=True)
class TrainingConfig:
    """All that decides a run. Give `steps` or `minutes`; a run of `minutes` is not reproducible to the bit.

    `size`: a name, or WIDTHxDEPTH. `share`: of the training pictures, 0 to 1. `batch` and `crop`: tiles a step, and
    pixels a side of the small crop. `jpeg`: the small crops are as JPEG leaves them. `average`: decay of the moving
    average of the weights. `init_from`: the artifact whose weights are the beginning. `fold`: (k, n) holds part k of n
    of the training pictures out as the validation set. Raises TrainingError if a value is out of its limits.
    """

    shards: tuple[Path, ...]
    validation: tuple[Path, ...]
    out: Path
    size: str = "small"
    steps: int | None = None
    minutes: float | None = None
    init_from: str | None = None
    share: float = 1.0
    batch: int = 16
    crop: int = 48
    jpeg: bool = False
    learning_rate: float = 1e-3
    weight_decay: float = 0.0
    dropout: float = 0.0
    branches: bool = True
    average: float = 0.999
    clip: float = 1.0
    loss: str = "l1"
    optimiser: str = "adamw"
    seed: int = 0
    threads: int = 2
    fold: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        if (self.steps is None) == (self.minutes is None):
            raise TrainingError("a run needs one budget; give --steps or --minutes")
        for name, (holds, limit) in LIMITS.items():
            value = getattr(self, name)
            if value is not None and not holds(value):
                raise TrainingError(f"{_option(name)} cannot be {value}; give {limit}")
        architecture(self.size)

    @property
    def long(self) -> bool:
        """Whether the run is long enough for half a minute of preparation to pay."""
        return (self.steps or 0) >= LONG_STEPS or (self.minutes or 0) >= LONG_MINUTES

    def as_json(self) -> dict[str, Any]:
        """The fields with paths as text; `out` is left out, because a run may be moved."""
        return _plain({field.name: getattr(self, field.name) for field in fields(self) if field.name != "out"})

    def check_same(self, recorded: dict[str, Any]) -> None:
        """Raise TrainingError unless `recorded`, what `as_json` gave when the run began, says the same.

        A field that is younger than the run had its default.
        """
        defaults = _plain({field.name: field.default for field in fields(self)})
        for name, value in self.as_json().items():
            before = recorded.get(name, defaults[name])
            if before != value:
                raise TrainingError(
                    f"the run in {self.out} was made with {_option(name)} {before}, not {value}; "
                    "resume with the same configuration, or start in another folder"
                )


def _plain(values: dict[str, Any]) -> dict[str, Any]:
    return json.loads(json.dumps(values, default=str))  # type: ignore[no-any-return]


def _option(name: str) -> str:
    return "--" + name.replace("_", "-")
