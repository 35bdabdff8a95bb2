"""Make one model of trained networks, test and publish it: python -m ensemble_pipeline combine runs/0 runs/a ..."""

from collections.abc import Sequence

from ensemble_pipeline.config import (
    BuildConfig,
    CombineConfig,
    EvaluationConfig,
    ExportConfig,
    PublishConfig,
    StatusConfig,
)
from training_pipeline.__main__ import FINAL_TEST
from upscaler.program import Command, run_command


def main(arguments: Sequence[str] | None = None, program: str = "python -m ensemble_pipeline") -> None:
    """Run the command line."""
    run_command(program, COMMANDS, arguments)


# Each command imports what it needs: torch takes seconds to load, and comes with the extra `training` only


def combine(config: CombineConfig) -> None:
    """Make one model of several networks."""
    from ensemble_pipeline import combine

    combine.run(config)


def evaluate(config: EvaluationConfig) -> None:
    """Test models."""
    from ensemble_pipeline import evaluate

    evaluate.run(config)


def export(config: ExportConfig) -> None:
    """Write ONNX files."""
    from ensemble_pipeline import onnx_export

    onnx_export.run(config)


def publish(config: PublishConfig) -> None:
    """Publish a model."""
    from ensemble_pipeline import publish

    publish.run(config)


def build(config: BuildConfig) -> None:
    """Build a model from the bucket."""
    from ensemble_pipeline import build

    build.run(config)


def status(config: StatusConfig) -> None:
    """List parts, runs and models."""
    from ensemble_pipeline import status

    status.run(config)


COMMANDS = (
    Command("combine", "make one model of several trained networks", CombineConfig, combine, repeatable=True),
    Command("evaluate", "test models against bicubic interpolation", EvaluationConfig, evaluate),
    FINAL_TEST,
    Command("export", "write a model's networks as ONNX, for other programs", ExportConfig, export),
    Command("publish", "publish a model on the Hugging Face Hub", PublishConfig, publish),
    Command("build", "run all stages, from the bucket to the ensemble", BuildConfig, build, repeatable=True),
    Command("status", "list the parts, runs and models in a folder, and what is missing", StatusConfig, status),
)

if __name__ == "__main__":
    main()
