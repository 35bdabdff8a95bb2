"""Muon: the size and direction of its steps."""

import numpy as np
import pytest
import torch
from torch import nn

from training_pipeline.optimisers import ADAMW_RMS, MOMENTUM, Muon

SHAPES = [(12, 12, 3, 3), (48, 4, 3, 3)]  # a matrix wider than high, and one higher than wide


def kernel(shape: tuple[int, ...]) -> nn.Parameter:
    return nn.Parameter(torch.from_numpy(np.random.default_rng(0).normal(size=shape)).float())


@pytest.mark.parametrize("shape", SHAPES)
def test_a_step_is_as_large_as_one_of_adamw(shape: tuple[int, ...]) -> None:
    one = kernel(shape)
    before = one.detach().clone()
    one.grad = kernel(shape).detach() * 1e-4  # whose size does not count
    Muon([one], lr=0.01, weight_decay=0).step()
    rms = (one - before).square().mean().sqrt().item()
    assert 0.7 <= rms / (0.01 * ADAMW_RMS) <= 1.2
    assert ((one - before) * one.grad).sum() < 0


def test_weights_decay_by_the_rate() -> None:
    one = kernel(SHAPES[0])
    before = one.detach().clone()
    one.grad = torch.zeros_like(one)
    Muon([one], lr=0.01, weight_decay=0.5).step()
    assert torch.allclose(one, before * (1 - 0.01 * 0.5), atol=1e-6)


def test_momentum_goes_on_when_the_gradient_ends() -> None:
    one, gradient = kernel(SHAPES[0]), kernel(SHAPES[0]).detach()
    muon = Muon([one], lr=0.01, weight_decay=0)
    one.grad = gradient
    muon.step()
    before = one.detach().clone()
    one.grad = torch.zeros_like(gradient)
    muon.step()
    assert torch.allclose(muon.state[one]["momentum"], MOMENTUM * gradient, atol=1e-5)
    assert ((one - before) * gradient).sum() < 0
