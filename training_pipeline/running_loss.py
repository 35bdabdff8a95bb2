"""The losses of a run's steps, checked as they arrive from the device."""

import math
from collections import deque
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

SMOOTHING = 0.01  # weight of a new loss in the moving mean

Check = Callable[[int, float, float], None]


class Measured(NamedTuple):
    """The loss and the norm of the gradient of a step, two values on their way to the host."""

    step: int
    values: Tensor
    arrived: torch.cuda.Event | None

    def read(self) -> tuple[float, float]:
        """Wait until the values have arrived, and return them."""
        if self.arrived is not None:
            self.arrived.synchronize()
        loss, norm = self.values.tolist()
        return loss, norm


class RunningLoss:
    """The moving mean of the losses, which vary from batch to batch.

    Waiting for a GPU at every step would leave it idle while the next one is prepared, so `ahead` steps may be under
    way. check: called with each step, its loss and the norm of its gradient, in order.
    """

    def __init__(self, check: Check, ahead: int) -> None:
        self.mean = math.nan
        self._check, self._ahead = check, ahead
        self._under_way: deque[Measured] = deque()

    def add(self, step: int, loss: Tensor, norm: Tensor) -> None:
        """Note the values of a step, and read those of steps that are more than `ahead` before it."""
        self._under_way.append(_sent(step, torch.stack([loss, norm])))
        self._read(self._ahead)

    def read_all(self) -> float:
        """Wait for the steps that are under way; return the moving mean."""
        self._read(0)
        return self.mean

    def _read(self, most: int) -> None:
        while len(self._under_way) > most:
            measured = self._under_way.popleft()
            loss, norm = measured.read()
            self._check(measured.step, loss, norm)
            self.mean = loss if math.isnan(self.mean) else self.mean + SMOOTHING * (loss - self.mean)


def _sent(step: int, values: Tensor) -> Measured:
    """Send values to the host without waiting for them."""
    if values.device.type != "cuda":
        return Measured(step, values, None)
    pinned = torch.empty(values.shape, pin_memory=True).copy_(values, non_blocking=True)
    arrived = torch.cuda.Event()  # type: ignore[no-untyped-call]
    arrived.record()
    return Measured(step, pinned, arrived)
