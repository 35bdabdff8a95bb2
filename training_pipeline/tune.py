"""Hyper-parameter search: trials of equal length in one resumable study, shared by several workers."""

import math
import multiprocessing
import os
import signal
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from multiprocessing.connection import wait
from typing import cast, get_args

import numpy as np
import optuna
from optuna import Study, Trial
from optuna.samplers import TPESampler
from optuna.study import MaxTrialsCallback

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
from training_pipeline.study import FINISHED, check_tiles, is_hopeless, open_study, requeue, run_name, table
from training_pipeline.train import DivergedError, Run
from upscaler.atomic import write_text
from upscaler.command import one_sentence_errors

TABLE = "trials.md"
EVALUATIONS = 5  # of a trial; after each, a trial below the median of the earlier ones is stopped
BATCHES, CROPS = (9, 18, 36, 72), (24, 32, 48)

Judge = Callable[[float, int], bool]


def run(config: TuningConfig) -> None:
    """Run the study until it has its trials, and write them as a table, the best first.

    Raises TrainingError if the study has another configuration or, without a storage, other tiles, or if a worker
    failed; KeyboardInterrupt if interrupted; the next run resumes unfinished trials.
    """
    tiles = data.read(config.first) if config.engine.storage is None else None
    config.first.out.mkdir(parents=True, exist_ok=True)
    study = open_study(config.first)
    if tiles:
        check_tiles(study, tiles, config.first.out)
    if config.engine.name == "ray":
        _search_on_ray(config)
    elif config.workers == 1:
        search(config, 0)
    else:
        _search_in_processes(config)
    write_text(config.first.out / TABLE, table(study))
    print(table(study))


def search(config: TuningConfig, worker: int) -> None:
    """Run trials in one worker until all workers together have finished enough."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = open_study(config.first)
    seeds = np.random.SeedSequence([config.first.seed, len(study.trials), worker])  # different for each worker
    study.sampler = TPESampler(seed=int(seeds.generate_state(1)[0]))
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
        judge = config.engine.callback(partial(is_hopeless, trial))
        model = tasks.run_one(run, config.engine, partial(PrunedRun, judge))
        return float(model.metrics["validation"]["psnr_y"])
    except DivergedError as error:
        trial.set_user_attr("diverged", True)
        raise optuna.TrialPruned(str(error)) from error
    except HopelessError as error:
        raise optuna.TrialPruned(str(error)) from error
    except (KeyboardInterrupt, StorageError):
        requeue(study, study.trials[trial.number])
        study.stop()
        raise


class HopelessError(TrainingError):
    """Error for a trial that is stopped early."""


class PrunedRun(Run):
    """A run that reports each score, and ends by HopelessError if `judge`, `is_hopeless` of its trial, says so."""

    def __init__(self, judge: Judge, config: TrainingConfig, tiles: Tiles, start: Checkpoint | None) -> None:
        super().__init__(config, tiles, start)
        self._judge = judge
        for row in self.journal.rows:  # of an interrupted trial that this one continues
            self._is_hopeless(row)

    def evaluated(self, row: Mapping[str, float]) -> None:
        """Report a score. Raises HopelessError."""
        if self._is_hopeless(row) and self.progress < 1:
            raise HopelessError(f"{row['psnr_y']:.2f} dB at step {self.step} is below the median of the earlier trials")

    def _is_hopeless(self, row: Mapping[str, float]) -> bool:
        share = row["step"] / cast(int, self.config.steps)  # trials differ in steps
        return self._judge(row["psnr_y"], round(EVALUATIONS * share))


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
