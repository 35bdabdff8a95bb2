"""Options of the ensemble pipeline."""

from dataclasses import MISSING, dataclass
from pathlib import Path
from typing import Literal

from cluster.engine import Engine
from ensemble_pipeline.errors import EnsembleError
from feature_pipeline.config import FeatureConfig
from training_pipeline.commands import WHERE, RunsConfig
from training_pipeline.config import Schedule, TrainingConfig
from training_pipeline.sizes import SYNTAX
from upscaler.config import UpscaleConfig
from upscaler.model import find
from upscaler.options import check_limits, option, options_of, part, same

SHARDS, RUNS, VALIDATION, TEST = Path("shards"), Path("runs"), "validation", "test"

NO_ANCESTOR = (
    "weight averaging needs runs with one warm start, and these record no common ancestor; train them with "
    "--init-from one artifact, or combine them with --how outputs"
)
INT8_LAST = "combine networks without int8, then fine-tune the model with --int8"

How = Literal["outputs", "weights", "distill"]
Kind = Literal["pictures", "shards"]


@dataclass(frozen=True, kw_only=True)
class Distillation:
    """Training of the student in a distillation. `into`: its size; empty: no distillation."""

    into: str = option(f"size of the student: {SYNTAX}", default="", metavar="SIZE")
    shards: tuple[Path, ...] = same(TrainingConfig, "shards", default=())
    test: tuple[Path, ...] = same(TrainingConfig, "test")
    steps: int | None = same(TrainingConfig, "steps")
    jpeg: bool = same(TrainingConfig, "jpeg")
    init_from: str | None = same(TrainingConfig, "init_from")
    batch: int = same(TrainingConfig, "batch")
    crop: int = same(TrainingConfig, "crop")
    learning_rate: float = same(TrainingConfig, "learning_rate")
    schedule: Schedule = same(TrainingConfig, "schedule")
    threads: int = same(TrainingConfig, "threads")
    checkpoint_every: float = same(TrainingConfig, "checkpoint_every")
    evaluate_every: int | None = same(TrainingConfig, "evaluate_every")

    def __post_init__(self) -> None:
        check_limits(self)


@dataclass(frozen=True)
class CombineConfig:
    """Runs that become one model: the average of their outputs or weights, or a student of the first.

    `validation`: tile shards that no run was trained on; runs are selected and the student is scored by them.
    `mirrored`: average over the picture and its mirror image. `jpeg_model`: the network for JPEG input.
    Raises EnsembleError if options lack others that they need.
    """

    runs: tuple[Path, ...] = option("folders of 1 to 16 training runs", positional=True, metavar="RUN", distinct=True)
    out: Path = option("folder for the model")
    how: How = option("average the outputs or the weights, or distill", default="outputs")
    mirrored: bool = option("average over the picture and its mirror image, at twice the cost", default=False)
    jpeg_model: Path | None = option("network for JPEG input, put inside the model", default=None, metavar="MODEL")
    overwrite: bool = same(RunsConfig, "overwrite")
    select: bool = option("keep only the runs that help on --validation", default=False)
    validation: tuple[Path, ...] = option(
        "tile shards that no run was trained on; may be given several times",
        default=(),
        needs={"select": True, "how": "distill"},
        distinct=True,
    )
    distillation: Distillation = part(
        title="with --how distill", needs={"how": "distill"}, default_factory=Distillation
    )

    def __post_init__(self) -> None:
        check_limits(self)
        if self.select and not self.validation:
            raise EnsembleError("--select needs --validation, the tile shards to choose by")
        student = self.distillation
        if self.how == "distill" and not (student.into and student.shards and student.steps and self.validation):
            raise EnsembleError("--how distill needs --into, --shards, --validation and --steps; give them")


@dataclass(frozen=True, kw_only=True)
class EvaluationConfig:
    """Models to test on pictures or on shards: the first with its members and flips, the others beside it.

    `jpeg_quality`: of the LR pictures; None: they are not compressed. Raises OptionError if it is outside its limits,
    EnsembleError if there is not one test set.
    """

    models: tuple[str, ...] = option(
        f"{find.NAMES}; further ones are compared with the first", positional=True, metavar="MODEL"
    )
    pictures: Path | None = option("folder of pictures to test on", default=None)
    shards: Path | None = option("folder of tile shards to test on", default=None)
    out: Path | None = option("folder for the table (default: into the card of the first model)", default=None)
    jpeg_quality: int | None = option(
        "compress each LR picture first", default=None, least=1, most=100, metavar="QUALITY"
    )
    overwrite: bool = option("replace the model or evaluation in --out", default=False, needs={"out": True})

    def __post_init__(self) -> None:
        check_limits(self)
        if (self.pictures is None) == (self.shards is None):
            raise EnsembleError("a test needs one test set; give --pictures or --shards")

    @property
    def kind(self) -> Kind:
        """Kind of the test set."""
        return "pictures" if self.pictures else "shards"

    @property
    def test_set(self) -> Path:
        """The folder of the test set."""
        return self.pictures or self.shards or Path()


@dataclass(frozen=True)
class ExportConfig:
    """A model, and the ONNX file to write."""

    model: str = option(find.NAMES, positional=True)
    out: Path = option("the file to write; a JPEG network is written beside it", positional=True)
    overwrite: bool = same(UpscaleConfig, "overwrite")


@dataclass(frozen=True)
class PublishConfig:
    """A model, and the repository for it. `revision`: the branch, made if need be."""

    model: str = option(find.NAMES, positional=True)
    repo: str = option("repository on the Hub, made if need be", metavar="USER/NAME")
    private: bool = option("make the repository private", default=False)
    revision: str | None = option("branch (default: main)", default=None, metavar="BRANCH")
    dry_run: bool = option("only show the files and the card", default=False)


@dataclass(frozen=True)
class StatusConfig:
    """A folder to look into, with the folders in it."""

    folder: Path = option("folder of parts, runs and models", positional=True)


NOT_SHARED = ("shards", "validation", "test", "out", "minutes")  # by the runs of a build, which all take the same steps


@dataclass(frozen=True)
class BuildConfig:
    """All stages. `features`: the parts and their tiles; validation is made in any case, and look-alikes of the part
    test, if it is among them, are left out of training. `first`: what the runs have in common; shards and folder are
    those of each part. `into`, `student_steps`: of a distillation on the tiles of all parts. `allow_missing`: combine
    what there is where a part failed.

    Raises EnsembleError if there is no training part, if a distillation lacks an option, or if the networks could not
    be combined.
    """

    features: FeatureConfig = part(
        *("parts", "images", "tiles_per_image", "metadata", "workers", "endpoint_url"), out=SHARDS
    )
    first: TrainingConfig = part(
        *(one.field for one in options_of(TrainingConfig) if one.field not in NOT_SHARED),
        shards=(),
        validation=(SHARDS / VALIDATION,),
        out=RUNS,
        steps=MISSING,
    )
    out: Path = option("folder for the model", default=Path("ensembles/built"))
    how: How = same(CombineConfig, "how")
    engine: Engine = part(title=WHERE, default_factory=Engine)
    overwrite: bool = same(CombineConfig, "overwrite")
    allow_missing: bool = option("build the ensemble without the parts that failed", default=False)
    into: str = same(Distillation, "into", needs={"how": "distill"})
    student_steps: int | None = option(
        "training steps of the student", default=None, least=1, needs={"how": "distill"}, metavar="STEPS"
    )

    @property
    def parts(self) -> tuple[str, ...]:
        """The training parts."""
        return tuple(part for part in self.features.parts if part.startswith("train_"))

    @property
    def held_out(self) -> tuple[str, ...]:
        """The parts that no network learns from: validation, and test if it is asked for."""
        return (VALIDATION, TEST) if TEST in self.features.parts else (VALIDATION,)

    @property
    def test(self) -> tuple[Path, ...]:
        """The shards of the part test, if it is asked for."""
        return tuple(SHARDS / part for part in self.held_out if part == TEST)

    def __post_init__(self) -> None:
        check_limits(self)
        if self.how == "distill" and not (self.into and self.student_steps):
            raise EnsembleError("--how distill needs --into and --student-steps; give them")
        if not self.parts:
            raise EnsembleError("an ensemble needs networks of training parts; give --parts, such as 0 a, or all")
        if self.how == "weights" and not self.first.init_from:
            raise EnsembleError(NO_ANCESTOR)
        if self.first.int8 and len(self.parts) > 1:
            raise EnsembleError(f"networks in int8 cannot be combined; {INT8_LAST}")
