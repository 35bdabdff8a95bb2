"""Hyper-parameter search: trials of equal length in one resumable study, shared by several workers."""

import math
import multiprocessing
import os
import signal
import warnings
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from multiprocessing.connection import wait
from typing import Any, cast, get_args

import numpy as np
import optuna
from optuna import Study, Trial
from optuna.exceptions import ExperimentalWarning
from optuna.pruners import MedianPruner
from optuna.samplers import TPESampler
from optuna.storages import RDBStorage
from optuna.study import MaxTrialsCallback
from optuna.trial import FrozenTrial, TrialState

from cluster.errors import StorageError
from cluster.parent import when_orphaned
from training_pipeline import data, tasks
from training_pipeline.checkpoint import Checkpoint
from training_pipeline.commands import TuningConfig
from training_pipeline.config import Loss, Optimiser, TrainingConfig
from training_pipeline.data import Tiles
from training_pipeline.errors import TrainingError
from training_pipeline.losses import LOSSES
from training_pipeline.stopping import stop_signals
from training_pipeline.train import DivergedError, Run
from upscaler.atomic import write_text
from upscaler.command import one_sentence_errors

STUDY, TABLE = "study.db", "trials.md"
HEARTBEAT = 30  # seconds; a trial is requeued after twice as long without one
FINISHED = (TrialState.COMPLETE, TrialState.PRUNED)
EVALUATIONS = 5  # of a trial; after each, a trial below the median of the earlier ones is stopped
BATCHES, CROPS = (9, 18, 36, 72), (24, 32, 48)


def run(config: TuningConfig) -> None:
    """Run the study until it has its trials, and write them as a table, the best first.

    Raises TrainingError if the study has another configuration or a worker failed, KeyboardInterrupt if interrupted;
    the next run resumes unfinished trials.
    """
    if config.engine.storage is None:
        data.read(config.first)
    config.first.out.mkdir(parents=True, exist_ok=True)
    study = open_study(config.first)
    if config.engine.name == "ray":
        _search_on_ray(config)
    elif config.workers == 1:
        search(config, 0)
    else:
        _search_in_processes(config)
    write_text(config.first.out / TABLE, table(study))
    print(table(study))


def open_study(first: TrainingConfig) -> Study:
    """Open or create the study in the folder. Raises TrainingError if its trials have another configuration."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)  # the heartbeat is experimental since Optuna 2.9
        storage = RDBStorage(
            f"sqlite:///{first.out / STUDY}",
            engine_kwargs={"connect_args": {"timeout": 60}},
            heartbeat_interval=HEARTBEAT,
            heartbeat_stale_trial_callback=requeue,
        )
    study = optuna.create_study(storage=storage, study_name="tune", direction="maximize", load_if_exists=True)
    first.check_same(study.user_attrs.get("configuration", first.as_json()), but=())
    study.set_user_attr("configuration", first.as_json())
    return study


def search(config: TuningConfig, worker: int) -> None:
    """Run trials in one worker until all workers together have finished enough."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = open_study(config.first)
    seeds = np.random.SeedSequence([config.first.seed, len(study.trials), worker])  # different for each worker
    study.sampler = TPESampler(seed=int(seeds.generate_state(1)[0]))
    study.pruner = MedianPruner()
    if len(study.get_trials(deepcopy=False, states=FINISHED)) < config.trials:
        study.optimize(
            lambda trial: objective(trial, study, config),
            callbacks=[MaxTrialsCallback(config.trials, states=FINISHED)],
        )


def objective(trial: Trial, study: Study, config: TuningConfig) -> float:
    """Train with the trial's parameters; return the best PSNR (Y) on the validation tiles, in dB."""
    trial.set_user_attr("run", run_name(trial))
    run = suggested(trial, replace(config.first, out=config.first.out / run_name(trial)))
    try:
        model = tasks.run_one(run, config.engine, partial(PrunedRun, trial))
        return float(model.metrics["validation"]["psnr_y"])
    except DivergedError as error:
        trial.set_user_attr("diverged", True)
        raise optuna.TrialPruned(str(error)) from error
    except (KeyboardInterrupt, StorageError):
        requeue(study, study.trials[trial.number])
        study.stop()
        raise


class PrunedRun(Run):
    """A run that reports each score to its trial, and ends by TrialPruned if the trial is hopeless."""

    def __init__(self, trial: Trial, config: TrainingConfig, tiles: Tiles, start: Checkpoint | None) -> None:
        super().__init__(config, tiles, start)
        self._trial = trial
        for row in self.journal.rows:  # of an interrupted trial that this one continues
            self._report(row)

    def evaluated(self, row: Mapping[str, float]) -> None:
        """Report a score. Raises TrialPruned."""
        self._report(row)
        if self.progress < 1 and self._trial.should_prune():
            raise optuna.TrialPruned

    def _report(self, row: Mapping[str, float]) -> None:
        share = row["step"] / cast(int, self.config.steps)  # trials differ in steps
        self._trial.report(row["psnr_y"], round(EVALUATIONS * share))


def suggested(trial: Trial, config: TrainingConfig) -> TrainingConfig:
    """Return the configuration with the trial's parameters, and the steps that make its LR pixels those of all."""
    batch = int(trial.suggest_categorical("batch", BATCHES))
    crop = int(trial.suggest_categorical("crop", CROPS))
    pixels = cast(int, config.steps) * config.batch * config.crop**2
    steps = max(1, round(pixels / (batch * crop**2)))
    return replace(
        config,
        batch=batch,
        crop=crop,
        steps=steps,
        evaluate_every=math.ceil(steps / EVALUATIONS),
        optimiser=cast(Optimiser, trial.suggest_categorical("optimiser", get_args(Optimiser))),
        learning_rate=trial.suggest_float("learning_rate", 1e-4, 1e-2, log=True),
        weight_decay=trial.suggest_float("weight_decay", 1e-4, 0.3, log=True),
        dropout=trial.suggest_float("dropout", 0.0, 0.2),
        loss=cast(Loss, trial.suggest_categorical("loss", list(LOSSES))),
    )


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


def _search_in_processes(config: TuningConfig) -> None:
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=_work, args=(config, n)) for n in range(config.workers)]
    with stop_signals() as stopped:
        for worker in workers:
            worker.start()
        while (running := [worker.sentinel for worker in workers if worker.is_alive()]) and not stopped:
            wait(running, timeout=0.2)
    for worker in workers:
        if stopped:
            worker.terminate()
        worker.join()
    if stopped:
        raise KeyboardInterrupt
    if any(worker.exitcode for worker in workers):
        raise TrainingError("a worker failed, see above; run the same command to resume the study")


def _search_on_ray(config: TuningConfig) -> None:
    """Run each worker as a thread that waits for its trial on the cluster."""
    from cluster import on_ray

    with ThreadPoolExecutor(config.workers) as threads:
        searches = [threads.submit(search, config, n) for n in range(config.workers)]
        try:
            for one in searches:
                one.result()
        except KeyboardInterrupt:
            on_ray.disconnect()  # ends the running trials, which requeues them
            raise


def _work(config: TuningConfig, worker: int) -> None:
    os.setsid()  # Ctrl-C reaches only the parent, which then signals each worker once
    when_orphaned(lambda: os.kill(os.getpid(), signal.SIGTERM))  # writes a checkpoint and requeues the trial
    with one_sentence_errors():
        search(config, worker)
