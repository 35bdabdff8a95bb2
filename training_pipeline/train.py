"""One training run: from tile shards to an artifact with one member."""

import json
import math
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim.swa_utils import AveragedModel
from torch.utils.data import DataLoader
from tqdm import tqdm

from feature_pipeline.shards import Entry
from training_pipeline import checkpoint, data, device, evaluation, report
from training_pipeline.checkpoint import Checkpoint
from training_pipeline.journal import Journal
from training_pipeline.network import SIZES, Network
from training_pipeline.schedule import learning_rate
from upscaler import models
from upscaler.artifact import Artifact
from upscaler.atomic import write_text
from upscaler.errors import TrainingError

RUN = "run.json"
EVALUATE_EVERY = 1000  # steps
PREFETCHED = 8  # batches


@dataclass(frozen=True)
class Config:
    """All that decides a run. Give `steps` or `minutes`; a run of `minutes` is not reproducible to the bit.

    `share`: of the training pictures, 0 to 1. `batch` and `crop`: tiles a step, and pixels a side of the small crop.
    `average`: decay of the moving average of the weights. `init_from`: the artifact whose weights are the beginning.
    """

    shards: tuple[Path, ...]
    validation: tuple[Path, ...]
    out: Path
    size: str = "small"
    steps: int | None = None
    minutes: float | None = None
    init_from: str | None = None
    share: float = 1.0
    batch: int = 16
    crop: int = 48
    learning_rate: float = 1e-3
    weight_decay: float = 0.0
    dropout: float = 0.0
    branches: bool = True
    average: float = 0.999
    clip: float = 1.0
    seed: int = 0
    threads: int = 2

    def as_json(self) -> dict[str, Any]:
        """The fields with paths as text; `out` is left out, because a run may be moved."""
        values = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "out"}
        return json.loads(json.dumps(values, default=str))  # type: ignore[no-any-return]


@dataclass(frozen=True)
class Tiles:
    """What a run learns from, and what it is scored on."""

    training: list[Entry]
    validation: list[Entry]


def run(config: Config, resume: bool = False) -> Artifact:
    """Train, and write the artifact to `config.out`. Raises TrainingError, FeatureError or ModelError.

    SIGINT and SIGTERM write a checkpoint and raise KeyboardInterrupt; with `resume` the run then goes on.
    """
    tiles = read_tiles(config)
    start = _start(config, resume)
    write_text(config.out / RUN, json.dumps(config.as_json(), indent=2) + "\n")
    torch.set_num_threads(config.threads)
    Run(config, tiles, start).train()
    return report.write(config, tiles)


def read_tiles(config: Config) -> Tiles:
    """The run's tiles. Raises TrainingError if there are none, or if a picture is in both sets."""
    training = data.share(data.entries(config.shards), config.share)
    tiles = Tiles(training, data.entries(config.validation))
    data.check_apart(tiles.training, tiles.validation)
    return tiles


def _start(config: Config, resume: bool) -> Checkpoint | None:
    found = checkpoint.latest(config.out, config.as_json()) if resume else None
    if not resume and (config.out / checkpoint.FOLDER).exists():
        raise TrainingError(f"{config.out} already holds a run; give --resume to go on with it, or another --out")
    return found


class Run:
    """The state of a run, and the loop that moves it on."""

    def __init__(self, config: Config, tiles: Tiles, start: Checkpoint | None) -> None:
        torch.manual_seed(config.seed)
        self.config, self.tiles = config, tiles
        self.device = device.best()
        self.bfloat16 = device.has_bfloat16(self.device)
        self.layout = torch.channels_last if self.bfloat16 else torch.contiguous_format  # what is faster, measured
        self.network = first_network(config).to(memory_format=self.layout).to(self.device)
        self.forward = device.compiled(self.network, self.device)
        self.average = AveragedModel(self.network, multi_avg_fn=moving_average(config.average))
        self.optimiser = torch.optim.AdamW(
            self.network.parameters(), lr=config.learning_rate, betas=(0.9, 0.99), weight_decay=config.weight_decay
        )
        self.step, self.earlier_seconds, self.began = 0, 0.0, time.monotonic()
        if start:
            self._go_on_from(start)
        self.journal = Journal(config.out, list(start.log) if start else [])

    def train(self) -> None:
        """Go on to the end of the budget."""
        with stop_signals() as stopped, self._bar() as bar:
            for small, large in self._batches():
                loss = self._advance(small, large)
                self._show(bar, loss)
                if self.progress >= 1 or self.step % EVALUATE_EVERY == 0:
                    self._evaluate(loss)
                elif stopped:
                    checkpoint.write(self.config.out, self._checkpoint())
                if stopped:
                    tqdm.write(f"stopped at step {self.step}; the same command with --resume goes on", sys.stderr)
                    raise KeyboardInterrupt
        self.journal.close()

    @property
    def progress(self) -> float:
        """The share of the budget that is spent."""
        if self.config.steps is not None:
            return self.step / self.config.steps
        return self.seconds / (60 * cast(float, self.config.minutes))

    @property
    def seconds(self) -> float:
        """Time spent on the run, its earlier beginnings counted."""
        return self.earlier_seconds + time.monotonic() - self.began

    def _batches(self) -> Iterator[tuple[Tensor, Tensor]]:
        steps = range(self.step, self.config.steps or sys.maxsize)
        batches = data.Batches(self.tiles.training, self.config.batch, self.config.crop, self.config.seed)
        loader = DataLoader(
            batches,
            sampler=steps,
            batch_size=None,
            num_workers=1,
            prefetch_factor=PREFETCHED,
            pin_memory=self.device.type == "cuda",
            worker_init_fn=_leave_ctrl_c_to_the_parent,
            generator=torch.Generator(),  # or making the loader would draw from the run's own random numbers
        )
        for batch in loader:
            if self.progress >= 1:
                return
            yield batch

    def _advance(self, small: Tensor, large: Tensor) -> float:
        """One step on one batch (uint8, N3cc and N3(2c)(2c)); the loss before it."""
        for group in self.optimiser.param_groups:
            group["lr"] = learning_rate(self.config.learning_rate, self.progress)
        x, truth = (side.to(self.device, non_blocking=True) / 255 for side in (small, large))
        with device.autocast(self.device, self.bfloat16):
            doubled = self.forward(x.contiguous(memory_format=self.layout))
        loss = F.l1_loss(doubled.float(), truth)
        if not math.isfinite(value := loss.item()):
            raise TrainingError(
                f"the loss is {value} at step {self.step}; the checkpoint before it is kept: "
                "start again from it with --init-from and a lower --learning-rate"
            )
        self.optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.network.parameters(), self.config.clip)
        self.optimiser.step()
        self.average.update_parameters(self.network)
        self.step += 1
        return value

    def _evaluate(self, loss: float) -> None:
        score = evaluation.evaluate(cast(Network, self.average.module), self.tiles.validation)
        best_before = max((row["psnr_y"] for row in self.journal.rows), default=-math.inf)
        rate = self.optimiser.param_groups[0]["lr"]
        self.journal.add(self.step, score, loss=loss, learning_rate=rate, seconds=round(self.seconds, 1))
        if score.psnr_y > best_before:
            checkpoint.write_best(self.config.out, self._checkpoint())
        checkpoint.write(self.config.out, self._checkpoint())

    def _stateful(self) -> dict[str, nn.Module | torch.optim.Optimizer]:
        return {"network": self.network, "average": self.average, "optimiser": self.optimiser}

    def _checkpoint(self) -> Checkpoint:
        states: dict[str, Any] = {name: part.state_dict() for name, part in self._stateful().items()}
        states["random"] = torch.get_rng_state()
        states["random_cuda"] = torch.cuda.get_rng_state_all()
        return Checkpoint(self.config.as_json(), self.step, self.seconds, self.journal.rows, states)

    def _go_on_from(self, start: Checkpoint) -> None:
        self.step, self.earlier_seconds = start.step, start.seconds
        for name, part in self._stateful().items():
            part.load_state_dict(start.states[name])
        torch.set_rng_state(start.states["random"])
        torch.cuda.set_rng_state_all(start.states["random_cuda"])

    def _budget(self) -> int:
        """Steps, or seconds."""
        return self.config.steps or round(60 * cast(float, self.config.minutes))

    def _bar(self) -> "tqdm[Any]":
        unit = "step" if self.config.steps else "s"
        return tqdm(total=self._budget(), unit=unit, desc=self.config.out.name, dynamic_ncols=True)

    def _show(self, bar: "tqdm[Any]", loss: float) -> None:
        done = round(min(1.0, self.progress) * self._budget())
        psnr = f"{self.journal.rows[-1]['psnr_y']:.2f} dB" if self.journal.rows else "not yet"
        bar.set_postfix(step=self.step, loss=f"{loss:.4f}", psnr=psnr, refresh=False)
        bar.update(done - bar.n)


def first_network(config: Config) -> Network:
    """The network before the first step. Raises ModelError if the beginning is missing or of another size."""
    architecture = SIZES[config.size]
    network = Network(architecture, config.branches, config.dropout)
    if config.init_from:
        beginning = models.find(config.init_from)
        if beginning.config.architecture != architecture or beginning.config.networks != 1:
            raise TrainingError(f"{config.init_from} is not one network of the size {config.size}; give one that is")
        network.assign(beginning.weights())
    return network


def moving_average(decay: float) -> Callable[[Any, Any, Any], None]:
    """An exponential moving average that follows quickly at first, so that short runs have one too."""

    @torch.no_grad()
    def update(averages: list[Tensor], currents: list[Tensor], updates: Tensor | int) -> None:
        n = int(updates)
        torch._foreach_lerp_(averages, currents, 1 - min(decay, (1 + n) / (10 + n)))

    return update


@contextmanager
def stop_signals() -> Iterator[list[int]]:
    """Collect SIGINT and SIGTERM in a list, so that the step under way ends well; a second one is not waited for."""
    received: list[int] = []

    def note(number: int, frame: object) -> None:
        if received:
            raise KeyboardInterrupt
        received.append(number)

    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _leave_ctrl_c_to_the_parent(worker: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
