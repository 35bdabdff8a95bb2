"""One training run: from tile shards to an artifact with one member."""

import json
import math
import sys
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import closing
from dataclasses import replace
from functools import cached_property
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.amp import GradScaler
from torch.optim.swa_utils import AveragedModel
from tqdm import tqdm

from training_pipeline import (
    batches,
    beginning,
    checkpoint,
    data,
    device,
    evaluation,
    loader,
    optimisers,
    quantisation,
    ranks,
    report,
    resident,
    trackers,
)
from training_pipeline.batches import Batch
from training_pipeline.checkpoint import Checkpoint
from training_pipeline.config import TrainingConfig
from training_pipeline.data import Tiles
from training_pipeline.errors import TrainingError
from training_pipeline.folder import CHECKPOINTS, RUN
from training_pipeline.journal import Journal
from training_pipeline.losses import LOSSES
from training_pipeline.network import Network
from training_pipeline.resident import ResidentBatches
from training_pipeline.running_loss import RunningLoss
from training_pipeline.schedule import learning_rate
from training_pipeline.stopping import stop_signals
from upscaler import metrics
from upscaler.atomic import write_text
from upscaler.engines.cores import cores
from upscaler.metrics import Score
from upscaler.model.artifact import Artifact

__all__ = ["DivergedError", "Run", "TrainingConfig", "run"]

# Unless the configuration says otherwise: steps, at least, and evaluations, at most, as each takes 70 steps on a CPU
EVALUATE_EVERY, EVALUATIONS = 1000, 50
SHOW_EVERY = 100  # steps, in trackers
AHEAD = 1  # step of a GPU that is under way while the host prepares the next one


class DivergedError(TrainingError):
    """Error for a loss or gradient that is not finite: the learning rate was too high."""


def run(
    config: TrainingConfig, resume: bool = False, make_run: "RunFactory | None" = None, overwrite: bool = False
) -> Artifact:
    """Train, write the artifact to `config.out` and print its score. Raises TrainingError, FeatureError or ModelError.

    make_run: a factory in place of `Run`. SIGINT and SIGTERM write a checkpoint and raise KeyboardInterrupt; `resume`
    continues from there, and leaves a finished run unchanged. overwrite: replace another model in the folder.
    """
    ranks.check(config)
    device.chosen(config.device)  # refused before the folder is claimed
    trackers.check(config)
    torch.set_num_threads(config.threads)
    torch.backends.cudnn.deterministic = True  # or a run on CUDA would not be reproducible to the bit
    tiles = data.read(config)
    beginning.check_warm_start(config, tiles)
    with beginning.claimed(config, resume, overwrite):
        start = beginning.resumed(config, tiles) if resume else None
        if start and (finished := report.finished(config, start)):
            if ranks.is_first():
                psnr = finished.metrics["validation"]["psnr_y"]
                print(f"{config.out} is finished and left unchanged; {psnr:.2f} dB PSNR (Y) on the validation tiles")
            return finished
        with ranks.folder(config.out) as out:
            return _train(replace(config, out=out), tiles, start, make_run or Run, resume)


def _train(
    config: TrainingConfig, tiles: Tiles, start: Checkpoint | None, make_run: "RunFactory", resume: bool
) -> Artifact:
    training = make_run(config, tiles, start)
    write_text(config.out / RUN, json.dumps(config.as_json(), indent=2) + "\n")
    try:
        training.train()
    except KeyboardInterrupt:
        if ranks.is_first():
            again = "the same command" if resume else "the same command and --resume"
            tqdm.write(f"interrupted at step {training.step}; continue with {again}", sys.stderr)
        raise
    if ranks.is_first():
        print(report.summary(config, training.device))
    return report.write(config, tiles)


class Run:
    """The state of a run, and the training loop."""

    def __init__(self, config: TrainingConfig, tiles: Tiles, start: Checkpoint | None) -> None:
        torch.manual_seed(config.seed)
        self.config, self.tiles = config, tiles
        self.device = device.chosen(config.device)
        self.precision = config.precision or device.fastest_precision(self.device)
        self.layout = device.layout_for(self.precision)
        self.scaler = GradScaler(self.device.type, enabled=self.precision == "fp16")  # else gradients underflow
        self.network = beginning.network(config).to(memory_format=self.layout).to(self.device)
        self.unrounded = self._unrounded() if config.int8 else None
        self.forward = self.compiled(self.network)
        self.average = AveragedModel(self.network)
        self.optimisers = optimisers.make(config.optimiser, self.network, config.learning_rate, config.weight_decay)
        ahead = AHEAD if self.device.type == "cuda" and not self.scaler.is_enabled() else 0
        self.loss = RunningLoss(self._check_finite, ahead)
        self.step, self.earlier_seconds, self.started = 0, 0.0, time.monotonic()
        self.saved = self.started
        if start:
            self._restore(start)
        self.reserve = evaluation.seconds(self._averaged, tiles.validation, config.jpeg) if config.minutes else 0.0
        tracked = trackers.start(config, self.step) if ranks.is_first() else []
        self.journal = Journal(config.out, list(start.log) if start else [], tracked)

    def train(self) -> None:
        """Train to the end of the budget. An interrupt writes a checkpoint and raises KeyboardInterrupt."""
        loaded = self._loaded()
        with closing(self.journal), closing(loaded), stop_signals() as interrupts, self._bar() as bar:
            if self.forward is not self.network:
                bar.set_postfix_str("compiling, about half a minute")
            done = self._finish_step(interrupts)  # the run may have been interrupted before an evaluation
            while not done:
                self.advance(*next(loaded))
                self._show(bar)
                if self.step % SHOW_EVERY == 0:
                    self.journal.show(self.step, loss=self.loss.mean, learning_rate=self._rate)
                done = self._finish_step(interrupts)

    def compiled(self, network: nn.Module) -> Callable[[Tensor], Tensor]:
        """Compile the network if the run is long enough to gain from it."""
        return device.compiled(network, self.device, self.config.accumulate == 1) if self.config.long else network

    def _unrounded(self) -> Callable[[Tensor], Tensor]:
        """Set the ranges by the first batch; return the network in float32, which gives the ground truth."""
        lr_crops, _ = batches.of(self.tiles.training, self.config)[0]
        quantisation.calibrate(self.network, lr_crops.to(self.device) / 255)
        return self.compiled(beginning.unrounded(self.config).to(memory_format=self.layout).to(self.device))

    def _loaded(self) -> Generator[Batch, None, None]:
        tiles = self.tiles.training
        if self.config.long and not self.config.jpeg and resident.fits(len(tiles), self.device):
            return ResidentBatches(tiles, self.config, self.device, ranks.part()).prefetched(self.step)
        processes = max(1, cores() // ranks.local_count() - 1) if self.device.type == "cuda" else 0
        return loader.prefetched(batches.of(tiles, self.config, ranks.part()), self.step, processes)

    @property
    def progress(self) -> float:
        """Spent share of the budget; a budget in minutes reserves time for the last evaluation."""
        if self.config.steps is not None:
            return self.step / self.config.steps
        return (self.seconds + self.reserve) / (60 * cast(float, self.config.minutes))

    @property
    def seconds(self) -> float:
        """Seconds spent on the run, including those before it was resumed."""
        return self.earlier_seconds + time.monotonic() - self.started

    def advance(self, lr_crops: Tensor, hr_crops: Tensor) -> None:
        """Take one step on a batch (N3cc and N3(2c)(2c), 0 to 255).

        Raises DivergedError and leaves the weights, which on a GPU have taken the step when it is found.
        """
        rate = learning_rate(self.config.schedule, self.config.learning_rate, self.progress)
        self.network.zero_grad()
        loss = self._add_gradients(lr_crops, hr_crops)
        ranks.average([loss, *(cast(Tensor, parameter.grad) for parameter in self.network.parameters())])
        for optimiser in self.optimisers.values():
            self.scaler.unscale_(optimiser)
        norm = nn.utils.clip_grad_norm_(self.network.parameters(), self.config.clip)
        self.loss.add(self.step, loss, norm)
        self._take_step(rate, norm)
        self._add_to_average()
        self.step += 1

    def _take_step(self, rate: float, norm: Tensor) -> None:
        """Step all optimisers, or none if scaled gradients overflow.

        The scaler alone would skip those whose own gradients do, and clipping by that norm makes the others' 0 or NaN.
        """
        for optimiser in self.optimisers.values():
            for group in optimiser.param_groups:
                group["lr"] = rate
        if not self.scaler.is_enabled() or norm.isfinite():  # read from the device with a scaler only
            for optimiser in self.optimisers.values():
                self.scaler.step(optimiser)
        self.scaler.update()

    def _add_gradients(self, *crops: Tensor) -> Tensor:
        """Compute the gradients of a batch in `accumulate` parts, which each add theirs; return the mean loss."""
        losses = []
        for part in zip(*(side.chunk(self.config.accumulate) for side in crops), strict=True):
            x, truth = (device.sent(side, self.device) / 255 for side in part)
            x = x.contiguous(memory_format=self.layout)
            with device.autocast(self.device, self.precision):
                output = self.forward(x)
                if self.unrounded is not None:
                    truth = self.unrounded(x).float()
            loss = LOSSES[self.config.loss](output.float(), truth) / self.config.accumulate
            self.scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
            losses.append(loss.detach())
        return torch.stack(losses).sum()

    @torch.no_grad()
    def _add_to_average(self) -> None:
        """Move the average towards the weights, faster in the beginning, so that short runs have a useful one.

        By the step and not by the average's own counter, which `AveragedModel` reads back from a GPU.
        """
        n = self.step
        share = 1 - min(self.config.average, (1 + n) / (10 + n)) if n else 1.0
        torch._foreach_lerp_([*self.average.parameters()], [*self.network.parameters()], share)
        self.average.n_averaged += 1

    def _check_finite(self, step: int, loss: float, norm: float) -> None:
        overflowed = self.scaler.get_scale() > 1 and not math.isfinite(norm)  # the scaler skips the step
        if not math.isfinite(loss) or not (overflowed or math.isfinite(norm)):
            raise DivergedError(
                f"the loss is {loss} and its gradient {norm} at step {step}; the checkpoints before it are "
                f"in {self.config.out / CHECKPOINTS}; start another run with a lower --learning-rate"
            )

    def _finish_step(self, interrupts: list[int]) -> bool:
        """Evaluate if due, stop if interrupted; return True if the budget is spent."""
        done = self.step > 0 and self.progress >= 1
        every = self.config.evaluate_every or max(EVALUATE_EVERY, (self.config.steps or 0) // EVALUATIONS)
        due = done or (self.step > 0 and self.step % every == 0)
        if due and not self.journal.holds(self.step):
            self._evaluate(interrupts)
        if ranks.any_of(bool(interrupts)):
            self._save()
            raise KeyboardInterrupt
        if time.monotonic() >= self.saved + 60 * self.config.checkpoint_every:
            self._save()
        if done and not checkpoint.has_best(self.config.out):  # the folder began with the last checkpoint alone
            checkpoint.write_best(self.config.out, self._checkpoint())
        return done

    def _evaluate(self, interrupts: list[int]) -> None:
        loss = self.loss.read_all()
        scores: list[Score] = []
        for score in evaluation.scores(self._averaged, self.tiles.validation, self.config.jpeg):
            if interrupts:
                return  # repeated when the run resumes
            scores.append(score)
        score = metrics.mean(scores)
        best_before = self.journal.best if checkpoint.has_best(self.config.out) else -math.inf
        self.journal.add(
            self.step,
            score,
            bicubic_psnr_y=self._baseline.psnr_y,
            loss=loss,
            learning_rate=self._rate,
            seconds=round(self.seconds, 1),
        )
        if score.psnr_y > best_before:
            checkpoint.write_best(self.config.out, self._checkpoint())
        self._save()
        self.evaluated(self.journal.rows[-1])

    def evaluated(self, row: Mapping[str, float]) -> None:
        """Learn of an evaluation, a row of the log; for subclasses, which may end the run by an error."""

    @cached_property
    def _baseline(self) -> Score:
        return evaluation.bicubic_score(self.tiles.validation, self.config.jpeg)

    def _save(self) -> None:
        checkpoint.write(self.config.out, self._checkpoint())
        self.saved = time.monotonic()

    @property
    def _rate(self) -> float:
        return float(self.optimisers["optimiser"].param_groups[0]["lr"])

    @property
    def _averaged(self) -> Network:
        return cast(Network, self.average.module)

    def _stateful(self) -> dict[str, nn.Module | torch.optim.Optimizer]:
        return {"network": self.network, "average": self.average, **self.optimisers}

    def _checkpoint(self) -> Checkpoint:
        loss = self.loss.read_all()
        states: dict[str, Any] = {name: part.state_dict() for name, part in self._stateful().items()}
        states["random"] = torch.get_rng_state()
        states["random_cuda"] = torch.cuda.get_rng_state_all()
        states["loss"], states["scaler"] = loss, self.scaler.state_dict()
        tiles, rows = self.tiles, self.journal.rows
        return Checkpoint(self.config.as_json(), tiles.digest, self.step, self.seconds, rows, states, tiles.split)

    def _restore(self, start: Checkpoint) -> None:
        self.step, self.earlier_seconds = start.step, start.seconds
        self.loss.mean = start.states.get("loss", math.nan)
        with checkpoint.restoring(self.config.out):
            self._restore_states(start)

    def _restore_states(self, start: Checkpoint) -> None:
        if scaler := start.states.get("scaler"):
            self.scaler.load_state_dict(scaler)
        for name, part in self._stateful().items():
            part.load_state_dict(start.states[name])
        torch.set_rng_state(start.states["random"])
        for n, state in enumerate(start.states["random_cuda"][: torch.cuda.device_count()]):
            torch.cuda.set_rng_state(state, n)

    def _budget(self) -> int:
        """Return the budget in steps or seconds."""
        return self.config.steps or round(60 * cast(float, self.config.minutes))

    def _bar(self) -> "tqdm[Any]":
        unit = "step" if self.config.steps else "s"
        return tqdm(
            total=self._budget(), unit=unit, desc=self.config.out.name, dynamic_ncols=True, disable=not ranks.is_first()
        )

    def _show(self, bar: "tqdm[Any]") -> None:
        done = round(min(1.0, self.progress) * self._budget())
        psnr = f"{self.journal.rows[-1]['psnr_y']:.2f} dB" if self.journal.rows else "not yet"
        bar.set_postfix(step=self.step, loss=f"{self.loss.mean:.4f}", psnr=psnr, refresh=False)
        bar.update(done - bar.n)


RunFactory = Callable[[TrainingConfig, Tiles, Checkpoint | None], Run]
