"""Start-up probe: the cost of each candidate, measured on the first blocks of a model.

Costs of the excerpt are scaled to the whole network by the number of multiplications, so that the greater halo of a
deep network in small windows counts.
"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from upscaler.engines.devices import Gpu
from upscaler.engines.engine import Engine, engine_for
from upscaler.engines.precision import GPU_PRECISION, Choice
from upscaler.engines.timing import seconds_per_window
from upscaler.errors import GpuError
from upscaler.model.architecture import BLOCKS, Weights, arrays_of, layers_of
from upscaler.model.artifact import Artifact

_CONVOLUTIONS = 4  # of the trunk, at most: with fewer, the first and the last layer, never in int8, count too much
_ROUNDS = 2  # interleaved, after a warm-up; the fastest counts
_LARGEST = 96  # side of windows with OpenVINO, whose cost per multiplication hardly changes above it


def measure(model: Artifact, choices: Sequence[Choice], gpu: Gpu | None = None) -> list[float]:
    """Return the seconds for each LR pixel with each choice; infinite if the GPU cannot run the model.

    They are those of an idle machine, and relative: the number of networks is left out.
    """
    trials = [_Trial(model, choice, gpu) for choice in choices]
    for _ in range(1 + _ROUNDS):
        for trial in trials:
            trial.run()
    return [trial.cost() for trial in trials]


class _Trial:
    """Runs of one choice on an excerpt of a model."""

    def __init__(self, model: Artifact, choice: Choice, gpu: Gpu | None) -> None:
        self._choice, self._whole = choice, model.config.architecture
        excerpt = _excerpt(model)
        self._part = excerpt.config.architecture
        window = _LARGEST if choice.precision in ("bf16", "int8") else choice.window
        self._side = window + self._whole.radius + self._part.radius  # layers are as large as the whole's on average
        self._on_gpu = choice.precision == GPU_PRECISION
        self._seconds: list[float] = []
        self._engine: Engine | None = None
        with suppress(GpuError):
            self._engine = engine_for(choice.precision, gpu if self._on_gpu else None)(excerpt, self._side)

    def run(self) -> None:
        """Run a window on each core, or some on the GPU."""
        if self._engine is None:
            return
        self._seconds.append(seconds_per_window(self._engine, self._side, on_gpu=self._on_gpu))

    def cost(self) -> float:
        """Return the seconds for each LR pixel of the whole network."""
        _, *later = self._seconds or [float("inf")] * 2
        window = self._choice.window
        scale = self._whole.multiplications_in(window + 2 * self._whole.radius) / window**2
        return min(later) / self._part.multiplications_in(self._side) * scale


@dataclass(frozen=True, kw_only=True)
class _Excerpt(Artifact):
    """The first blocks of the first network of a model, between its head and its tail. It compiles quickly."""

    whole: Artifact

    def weights(self) -> Weights:
        return self._cut(self.whole.weights())

    def int8_weights(self) -> Weights:
        return self._cut(self.whole.int8_weights())

    def _cut(self, weights: Weights) -> Weights:
        head, *trunk, tail = layers_of(weights)
        return arrays_of([head, *trunk[: self.config.architecture.trunk_radius], tail])


def _excerpt(model: Artifact) -> _Excerpt:
    architecture = model.config.architecture
    blocks = min(architecture.depth, max(1, _CONVOLUTIONS // len(BLOCKS[architecture.block])))
    small = architecture.model_copy(update={"depth": blocks})
    config = model.config.model_copy(update={"architecture": small, "combination": "single", "mirrored": False})
    return _Excerpt(model.folder, model.name, model.revision, config, model.metrics, whole=model)
