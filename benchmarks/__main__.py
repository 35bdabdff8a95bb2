"""Run the benchmarks: python -m benchmarks [STAGE ...], all of them without a name"""

import importlib
import pkgutil
from collections.abc import Sequence
from dataclasses import dataclass

import benchmarks
from benchmarks import corpus
from benchmarks.corpus import CorpusConfig
from upscaler.options import check_limits, option
from upscaler.program import Command, run_command

_NO_STAGES = ("__main__", "corpus", "photos", "processor")
STAGES = tuple(
    sorted(module.name for module in pkgutil.iter_modules(benchmarks.__path__) if module.name not in _NO_STAGES)
)


@dataclass(frozen=True)
class BenchmarkConfig:
    """Benchmarks to run. Raises OptionError if an option is outside its limits."""

    stages: tuple[str, ...] = option(
        f"{', '.join(STAGES)} (default: all)", positional=True, default=STAGES, choices=STAGES, metavar="STAGE"
    )
    minutes: float = option("minutes of traffic to each app, by serving", default=2.0, above=0)
    small: int = option("pictures of 320x240, by batch", default=500, least=1)
    large: int = option("pictures of 12 megapixels, by batch", default=50, least=1)

    def __post_init__(self) -> None:
        check_limits(self)


def main(arguments: Sequence[str] | None = None, program: str = "python -m benchmarks") -> None:
    """Run the command line."""
    run_command(program, COMMANDS, arguments)


def run(config: BenchmarkConfig) -> None:
    """Run the stages, one after another."""
    settings = {"serving": (config.minutes,), "batch": (config.small, config.large)}
    for stage in config.stages:
        print(f"## {stage}\n", flush=True)
        importlib.import_module(f"benchmarks.{stage}").main(*settings.get(stage, ()))


COMMANDS = (
    Command("", "measure speed, memory and quality", BenchmarkConfig, run),
    Command("corpus", "upscale every file of a folder, and count what happened", CorpusConfig, corpus.run),
)

if __name__ == "__main__":
    main()
