"""From trained networks to a published model: average them, test the result, put it on the Hub."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ensemble_pipeline import arguments, combine, evaluate, publish
from upscaler.command import one_sentence_errors

if TYPE_CHECKING:
    from ensemble_pipeline.build import BuildConfig


def main() -> None:
    """Run the command line."""
    commands: dict[str, Callable[[Any], object]] = {
        "combine": combine.run,
        "evaluate": evaluate.run,
        "final-test": final_test,
        "export": export,
        "publish": publish.run,
        "build": build,
    }
    with one_sentence_errors():
        arguments.parse(commands, __doc__)()


def export(given: tuple[str, Path]) -> None:
    """ONNX graphs of a model's networks."""
    from ensemble_pipeline import onnx_export  # needs a package that the other commands do without

    onnx_export.run(onnx_export.ExportConfig(*given))


def build(config: "BuildConfig") -> None:
    """From the bucket to the ensemble."""
    from ensemble_pipeline import build  # likewise

    build.run(config)


def final_test(given: dict[str, Any]) -> None:
    """The end of the scoreboard."""
    from training_pipeline import scoring  # brings torch, which takes seconds to load

    scoring.final_test(scoring.ScoringConfig(**given))


if __name__ == "__main__":
    main()
