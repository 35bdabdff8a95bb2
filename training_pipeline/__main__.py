"""Train networks: python -m training_pipeline [plan | tune | score | final-test] ...

Without a command: one network. plan: the fixed comparison. tune: search hyper-parameters. score: add a row to the
scoreboard. final-test: score the chosen model on what no row was scored on. Each has its own --help.
"""

import sys

from training_pipeline import ablation, arguments, folds, scoring, tasks, tune
from upscaler.command import one_sentence_errors


def main() -> None:
    """Run the command line."""
    commands = {"plan": run_plan, "tune": run_tune, "score": run_score, "final-test": run_final_test}
    name, *rest = sys.argv[1:] or [""]
    command, given = (commands[name], rest) if name in commands else (run_training, sys.argv[1:])
    with one_sentence_errors():
        command(given)


def run_training(given: list[str]) -> None:
    """One network; or one for each fold, or for each folder of shards."""
    asked = arguments.training(given, __doc__)
    if asked.folds:
        for config in asked.configs:
            folds.run(config, asked.folds, asked.resume)
    else:
        tasks.run(asked.configs, asked.engine, asked.resume, asked.gpus)


def run_plan(given: list[str]) -> None:
    """The fixed comparison."""
    ablation.run(arguments.plan(given))


def run_tune(given: list[str]) -> None:
    """A search."""
    tune.run(arguments.tune(given))


def run_score(given: list[str]) -> None:
    """A row of the scoreboard."""
    scoring.add(arguments.score(given))


def run_final_test(given: list[str]) -> None:
    """The end of the scoreboard."""
    scoring.final_test(arguments.final_test(given))


if __name__ == "__main__":
    main()
