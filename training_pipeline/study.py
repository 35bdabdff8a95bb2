"""The study of a hyper-parameter search: its database, its trials, the pruner's decision and the table.

Without torch, so that a process in which only the pruner decides starts in a second.
"""

import warnings
from pathlib import Path
from typing import Any

import optuna
from optuna import Study, Trial
from optuna.exceptions import ExperimentalWarning
from optuna.pruners import MedianPruner
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial, TrialState

from training_pipeline.config import TrainingConfig
from training_pipeline.data import Tiles
from upscaler.links import followed

STUDY = "study.db"
HEARTBEAT = 30  # seconds; a trial is requeued after twice as long without one
FINISHED = (TrialState.COMPLETE, TrialState.PRUNED)


def open_study(first: TrainingConfig) -> Study:
    """Open or create the study in the folder. Raises TrainingError if its trials have another configuration."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)  # the heartbeat is experimental since Optuna 2.9
        storage = RDBStorage(
            f"sqlite:///{followed(first.out / STUDY)}",  # of this machine, for processes that Ray starts elsewhere
            engine_kwargs={"connect_args": {"timeout": 60}},
            heartbeat_interval=HEARTBEAT,
            heartbeat_stale_trial_callback=requeue,
        )
    study = optuna.create_study(
        storage=storage, study_name="tune", direction="maximize", load_if_exists=True, pruner=MedianPruner()
    )
    first.check_same(study.user_attrs.get("configuration", first.as_json()), but=())
    study.set_user_attr("configuration", first.as_json())
    return study


def check_tiles(study: Study, tiles: Tiles, out: Path) -> None:
    """Record the tiles of the study in `out`. Raises TrainingError if its trials were scored on other ones."""
    if before := study.user_attrs.get("tiles"):  # older studies lack it
        tiles.check_same(before["digest"], tuple(before["split"]), out)
    study.set_user_attr("tiles", {"digest": tiles.digest, "split": tiles.split})


def is_hopeless(trial: Trial, score: float, evaluation: int) -> bool:
    """Report a score, in dB, to the trial; return True if it is below the median of the earlier trials."""
    trial.report(score, evaluation)
    return trial.should_prune()


def requeue(study: Study, trial: FrozenTrial) -> None:
    """Requeue an interrupted trial; it resumes from its run's last checkpoint."""
    study.enqueue_trial(trial.params, user_attrs={"run": run_name(trial)})


def run_name(trial: Trial | FrozenTrial) -> str:
    """Return the folder name of a trial's run, which a requeued trial keeps."""
    return str(trial.user_attrs.get("run", f"trial-{trial.number:04}"))


def table(study: Study) -> str:
    """Format the finished trials as Markdown, the best first; then those that were stopped early, or diverged."""
    names = ["learning_rate", "weight_decay", "dropout", "loss", "optimiser", "batch", "crop"]
    titles = ["run", "PSNR Y, dB", *(name.replace("_", " ") for name in names)]
    lines = [f"| {' | '.join(titles)} |", "|---" * len(titles) + "|"]
    for trial in sorted(study.get_trials(states=FINISHED), key=lambda trial: (trial.state.value, -(trial.value or 0))):
        values = [_cell(trial.params.get(name, "")) for name in names]
        psnr = _outcome(trial)
        lines.append(f"| {trial.user_attrs['run']} | {psnr} | {' | '.join(values)} |")
    return "\n".join(lines) + "\n"


def _outcome(trial: FrozenTrial) -> str:
    if trial.user_attrs.get("diverged") or trial.value is None:
        return "diverged"
    return f"{trial.value:.3f}" + ("" if trial.state == TrialState.COMPLETE else ", stopped early")


def _cell(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
