"""Configuration of a training run."""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from feature_pipeline.config import MOST_WORKERS
from training_pipeline.errors import TrainingError
from training_pipeline.sizes import SYNTAX, architecture
from upscaler import saved
from upscaler.options import check_limits, describe, option

TILE = 128  # pixels a side of an LR tile
MOST_CROP = 60  # half a tile without the border that lacks part of the filter: crops come from both scales
SCORED_QUALITY = 80  # of the LR tiles on which runs with `jpeg` are scored
MOST_BATCH = 1 << 16
MOST_SEED = 2**32 - 1
LONG_STEPS, LONG_MINUTES = 100, 5
# May differ when a run is resumed, such as on another machine: tiles are compared by content, threads only round, and
# evaluations decide only which weights are the best so far
MACHINE = ("shards", "validation", "test", "threads", "device", "checkpoint_every", "evaluate_every", "track")

Loss = Literal["l1", "charbonnier", "luma"]
Optimiser = Literal["adamw", "muon"]
Schedule = Literal["cosine", "wsd"]
DeviceName = Literal["auto", "cpu", "cuda"]
TrackerName = Literal["tensorboard", "wandb"]
PrecisionName = Literal["bf16", "fp16", "f32"]


@dataclass(frozen=True)
class TrainingConfig:
    """One training run. Give `steps` or `minutes`; a run of `minutes` is not reproducible to the bit.

    `fold`: (k, n) holds part k of n of the training pictures out as the validation set. Raises OptionError if a value
    is outside its limits, TrainingError if there are two budgets or none, or no such size.
    """

    shards: tuple[Path, ...] = option("a folder of tile shards to train on; may be given several times", distinct=True)
    validation: tuple[Path, ...] = option(
        "tile shards of other pictures, for the score; may be given several times", distinct=True
    )
    out: Path = option("folder of the run")
    size: str = option(f"size of the network: {SYNTAX}", default="small")
    steps: int | None = option("training steps; the result is reproducible to the bit", default=None, least=1)
    minutes: float | None = option("minutes of training, in place of --steps; not reproducible", default=None, above=0)
    init_from: str | None = option("start from the weights of this model", default=None, metavar="MODEL")
    test: tuple[Path, ...] = option(
        "tile shards of the test set, whose look-alikes are left out of training; may be given several times",
        default=(),
        distinct=True,
    )
    share: float = option("share of the training pictures to use, above 0 and at most 1", default=1.0, above=0, most=1)
    batch: int = option("crops per step", default=36, least=1, most=MOST_BATCH)
    accumulate: int = option(
        "parts of a batch, one after the other, whose gradients are added up: less memory, the same step",
        default=1,
        least=1,
        metavar="PARTS",
    )
    crop: int = option(f"side of an LR crop in pixels, at most {MOST_CROP}", default=32, least=1, most=MOST_CROP)
    jpeg: bool = option("degrade LR tiles with JPEG, at qualities from 50 to 97", default=False)
    learning_rate: float = option("peak learning rate", default=1e-3, above=0, metavar="RATE")
    schedule: Schedule = option(
        "learning-rate schedule after the warm-up: cosine decay, or wsd: constant, with a decay over the last fifth",
        default="cosine",
    )
    weight_decay: float = option("weight decay of kernels", default=0.0, least=0, metavar="DECAY")
    dropout: float = option("dropout of channels before the last layer", default=0.0, least=0, below=1)
    branches: bool = option("re-parameterised branches beside each 3x3 kernel", default=True)
    average: float = option("decay of the exponential moving average of the weights", default=0.999, least=0, below=1)
    clip: float = option("clip the gradient norm to this value", default=1.0, above=0, metavar="NORM")
    loss: Loss = option("training loss", default="l1")
    optimiser: Optimiser = option(
        "muon: for the 3x3 kernels between the first and the last layer, AdamW for the rest", default="adamw"
    )
    seed: int = option("random seed", default=0, least=0, most=MOST_SEED)
    threads: int = option("threads of each run; one and two round differently", default=2, least=1, most=MOST_WORKERS)
    device: DeviceName = option("where to train; auto: on CUDA if there is any, else on the CPU", default="auto")
    precision: PrecisionName | None = option(
        "of convolutions (default: the fastest; fp16 only on CUDA without bf16)", default=None
    )
    checkpoint_every: float = option(
        "minutes between two checkpoints, the most that a killed run loses", default=5.0, above=0, metavar="MINUTES"
    )
    evaluate_every: int | None = option(
        "steps between two evaluations (default: 1000, or a fiftieth of a longer run)",
        default=None,
        least=1,
        metavar="STEPS",
    )
    track: tuple[TrackerName, ...] = option(
        "show measures in tensorboard or wandb (Weights & Biases), or in both", default=(), listed=True
    )
    int8: bool = option(
        "fine-tune --init-from for inference in int8, with itself in float32 as ground truth", default=False
    )
    fold: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        check_limits(self)
        if (self.steps is None) == (self.minutes is None):
            raise TrainingError("a run needs one budget; give --steps or --minutes")
        if self.batch % self.accumulate:
            raise TrainingError(
                f"--batch {self.batch} has no {self.accumulate} equal parts; give a multiple of --accumulate"
            )
        architecture(self.size)
        if self.int8 and not self.init_from:
            raise TrainingError("--int8 fine-tunes a trained network; give it by --init-from")

    @property
    def long(self) -> bool:
        """True if the run is long enough for half a minute of preparation to pay off."""
        return (self.steps or 0) >= LONG_STEPS or (self.minutes or 0) >= LONG_MINUTES

    def as_json(self) -> dict[str, Any]:
        """Return the fields, paths as text, without `out`, because a run may be moved."""
        values = saved.content(self)
        del values["out"]
        return values

    def check_same(self, recorded: dict[str, Any], but: Collection[str] = MACHINE) -> None:
        """Raise TrainingError if `recorded`, the result of `as_json` when the run began, differs.

        A field that did not exist then had its default. `but`: fields that may differ.
        """
        before = saved.completed(recorded, self)
        for name, value in self.as_json().items():
            if name not in but and before.get(name) != value:
                raise TrainingError(
                    f"the run in {self.out} was made {describe(TrainingConfig, name, before.get(name), value)}; "
                    "resume with the same configuration, or start in another folder"
                )
