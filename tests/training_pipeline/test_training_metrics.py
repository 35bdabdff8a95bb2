"""The metrics, compared with other implementations of the same formulas."""

import numpy as np
import pytest
import torch
from skimage.color import rgb2ycbcr
from skimage.metrics import peak_signal_noise_ratio, structural_similarity
from torch.nn import functional as F

from support.pictures import photo_like
from upscaler import metrics
from upscaler.pixels import Pixels


@pytest.fixture(params=[0, 1])
def pair(request: pytest.FixtureRequest) -> tuple[Pixels, Pixels]:
    """Make a picture and a noisy copy of it."""
    truth = photo_like(90, 70, seed=request.param)
    noise = np.random.default_rng(request.param).normal(0, 9, truth.shape)
    return np.clip(truth + noise, 0, 255).round().astype(np.uint8), truth


def shaved(picture: Pixels) -> Pixels:
    return picture[metrics.SHAVE : -metrics.SHAVE, metrics.SHAVE : -metrics.SHAVE]


def test_luma(pair: tuple[Pixels, Pixels]) -> None:
    np.testing.assert_allclose(metrics.luma(pair[0]), rgb2ycbcr(pair[0])[..., 0], atol=1e-9)


def test_psnr(pair: tuple[Pixels, Pixels]) -> None:
    picture, truth = map(shaved, pair)
    score = metrics.score(*pair)
    y = peak_signal_noise_ratio(rgb2ycbcr(truth)[..., 0], rgb2ycbcr(picture)[..., 0], data_range=255)
    assert score.psnr_y == pytest.approx(y, abs=1e-9)
    assert score.psnr_rgb == pytest.approx(peak_signal_noise_ratio(truth, picture, data_range=255), abs=1e-9)


def test_ssim(pair: tuple[Pixels, Pixels]) -> None:
    planes = [rgb2ycbcr(shaved(picture))[..., 0] for picture in pair]
    expected = structural_similarity(
        *planes, data_range=255, gaussian_weights=True, sigma=1.5, use_sample_covariance=False
    )
    assert metrics.score(*pair).ssim_y == pytest.approx(expected, abs=1e-9)


def test_cross_entropy_and_its_floor(pair: tuple[Pixels, Pixels]) -> None:
    p, t = (torch.tensor(shaved(picture), dtype=torch.float64) / 255 for picture in pair)
    p, floor_p = (x.clamp(0.5 / 255, 1 - 0.5 / 255) for x in (p, t))
    expected, floor = F.binary_cross_entropy(p, t).item(), F.binary_cross_entropy(floor_p, t).item()
    score = metrics.score(*pair)
    assert score.cross_entropy == pytest.approx(expected, abs=1e-12)
    assert score.cross_entropy_above_floor == pytest.approx(expected / floor - 1, abs=1e-9)
    assert metrics.score(pair[1], pair[1]).cross_entropy_above_floor == 0


def test_a_mean_over_pictures() -> None:
    truth = photo_like(40, 40)
    scores = [metrics.score(np.clip(truth.astype(int) + d, 0, 255).astype(np.uint8), truth) for d in (2, 8)]
    assert metrics.mean(scores).psnr_y == pytest.approx((scores[0].psnr_y + scores[1].psnr_y) / 2)
