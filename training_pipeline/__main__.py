"""Train networks, compare and score them: python -m training_pipeline --shards shards/train_0 ..."""

from collections.abc import Sequence

from training_pipeline.commands import AblationConfig, RunsConfig, ScoringConfig, TuningConfig
from upscaler.program import Command, run_command


def main(arguments: Sequence[str] | None = None, program: str = "python -m training_pipeline") -> None:
    """Run the command line."""
    run_command(program, COMMANDS, arguments)


# Each command imports what it needs: torch takes seconds to load, and comes with the extra `training` only


def train(config: RunsConfig) -> None:
    """Train one network, one for each fold, or one for each folder of shards."""
    from training_pipeline import ranks, tasks

    with ranks.joined():
        tasks.run_all(config)


def plan(config: AblationConfig) -> None:
    """Train and score the versions of the ablation."""
    from training_pipeline import ablation

    ablation.run(config)


def tune(config: TuningConfig) -> None:
    """Search hyper-parameters."""
    from training_pipeline import tune

    tune.run(config)


def score(config: ScoringConfig) -> None:
    """Add a row to the scoreboard."""
    from training_pipeline import scoring

    scoring.add(config)


def final_test(config: ScoringConfig) -> None:
    """Record the final test."""
    from training_pipeline import scoring

    scoring.final_test(config)


FINAL_TEST = Command(
    "final-test",
    "score the chosen model on the pictures of the test set that no row was scored on, once",
    ScoringConfig,
    final_test,
    ("model", "test", "scoreboard"),
)
COMMANDS = (
    Command("", "train a network on tile shards", RunsConfig, train, repeatable=True),
    Command("plan", "train versions that each change one thing, and score them", AblationConfig, plan),
    Command("tune", "search hyper-parameters: trials of equal length in one resumable study", TuningConfig, tune),
    Command(
        "score",
        "score a model on the first 10 % of the test set (at least 60 pictures), a row of the scoreboard",
        ScoringConfig,
        score,
    ),
    FINAL_TEST,
)

if __name__ == "__main__":
    main()
