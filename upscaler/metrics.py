"""Full-reference image metrics: PSNR, SSIM and cross-entropy of HWC uint8 sRGB pictures against ground truth."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import reduce

import numpy as np
from numpy.typing import NDArray

from upscaler.errors import MetricError
from upscaler.pixels import Pixels

SHAVE = 2  # border pixels excluded on each side, as usual for x2 in the literature
LUMA = (65.481, 128.553, 24.966)  # weights of R, G, B in [0, 1] for Y in [16, 235], ITU-R BT.601

Values = NDArray[np.float64]


@dataclass(frozen=True)
class Score:
    """Metrics of one picture, or their means over several.

    psnr_y, psnr_rgb: dB (infinite for equal pictures). ssim_y: at most 1. cross_entropy: nats per value.
    cross_entropy_above_floor: excess over the entropy of the ground truth, relative to it (0.0188 is 1.88 %).
    """

    psnr_y: float
    ssim_y: float
    psnr_rgb: float
    cross_entropy: float
    cross_entropy_above_floor: float


def score(picture: Pixels, truth: Pixels, shave: int = SHAVE) -> Score:
    """Compare `picture` with the ground truth, both HWC uint8 RGB, without `shave` border pixels on each side.

    Raises MetricError if the sizes differ or no pixels remain.
    """
    picture, truth = _shaved(picture, truth, shave)
    picture_y, truth_y = luma(picture), luma(truth)
    entropy, floor = cross_entropy(picture, truth), cross_entropy(truth, truth)
    return Score(
        psnr_y=psnr(picture_y, truth_y),
        ssim_y=ssim(picture_y, truth_y),
        psnr_rgb=psnr(picture.astype(np.float64), truth.astype(np.float64)),
        cross_entropy=entropy,
        cross_entropy_above_floor=(entropy - floor) / floor if floor else 0.0,
    )


def by_picture(tiles: Iterable[tuple[str, Score]]) -> list[Score]:
    """Return a score for each picture, the mean of its tiles: tiles of one picture are no independent samples."""
    grouped: dict[str, list[Score]] = {}
    for picture, tile in tiles:
        grouped.setdefault(picture, []).append(tile)
    return [mean(scores) for scores in grouped.values()]


def mean(scores: Sequence[Score]) -> Score:
    """Average each metric over pictures, not pixels, as the literature averages PSNR."""
    columns = {name: float(np.mean([getattr(s, name) for s in scores])) for name in Score.__dataclass_fields__}
    return Score(**columns)


def luma(rgb: Pixels) -> Values:
    """Return luma Y of ITU-R BT.601 in [16, 235], as MATLAB's rgb2ycbcr does: HWC uint8 -> HW."""
    weighted: Values = rgb.astype(np.float64) @ np.array(LUMA)
    return 16.0 + weighted / 255.0


def psnr(picture: Values, truth: Values) -> float:
    """Return the peak signal-to-noise ratio in dB for a peak of 255."""
    return decibels(float(np.mean((picture - truth) ** 2)))


def decibels(squared_error: float) -> float:
    """Return the PSNR of a mean squared error, for a peak of 255: 10 log10(255² / error), infinite for 0."""
    return float("inf") if squared_error == 0 else 10.0 * float(np.log10(255.0**2 / squared_error))


def ssim(picture: Values, truth: Values) -> float:
    """Return the structural similarity of two HW planes in [0, 255], at least 11 pixels a side; NaN if smaller.

    Z. Wang, A. C. Bovik, H. R. Sheikh, E. P. Simoncelli, "Image quality assessment", IEEE TIP 13(4), 2004:
    11x11 Gaussian window, sigma 1.5, K1 = 0.01, K2 = 0.03, averaged over the valid positions of the window.
    """
    if min(picture.shape) < _WINDOW.size:
        return float("nan")
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    mean_p, mean_t = _blur(picture), _blur(truth)
    variance_p = _blur(picture * picture) - mean_p**2
    variance_t = _blur(truth * truth) - mean_t**2
    covariance = _blur(picture * truth) - mean_p * mean_t
    similarity = ((2 * mean_p * mean_t + c1) * (2 * covariance + c2)) / (
        (mean_p**2 + mean_t**2 + c1) * (variance_p + variance_t + c2)
    )
    return float(similarity.mean())


def cross_entropy(picture: Pixels, truth: Pixels) -> float:
    """Return the binary cross-entropy in nats per value: -mean(t log p + (1 - t) log(1 - p)), levels as probabilities.

    The metric of the original system. p is clipped to half a level from 0 and 1 to keep the result finite.
    """
    t = truth.astype(np.float64) / 255.0
    p = np.clip(picture.astype(np.float64) / 255.0, 0.5 / 255.0, 1 - 0.5 / 255.0)
    return float(-np.mean(t * np.log(p) + (1 - t) * np.log1p(-p)))


def _gaussian(radius: int, sigma: float) -> Values:
    weights: Values = np.exp(-0.5 * (np.arange(-radius, radius + 1) / sigma) ** 2)
    weights /= weights.sum()
    return weights


_WINDOW = _gaussian(5, 1.5)


def _blur(plane: Values) -> Values:
    """Blur with the Gaussian window without padding: HW -> (H - 10)(W - 10)."""
    for axis in (0, 1):
        size = plane.shape[axis] - _WINDOW.size + 1
        slices = (np.take(plane, range(i, i + size), axis) * w for i, w in enumerate(_WINDOW))
        plane = reduce(np.add, slices)
    return plane


def _shaved(picture: Pixels, truth: Pixels, shave: int) -> tuple[Pixels, Pixels]:
    if picture.shape != truth.shape:
        raise MetricError(f"the pictures differ in size: {_size(picture)} and {_size(truth)}; compare equal sizes")
    if min(truth.shape[:2]) <= 2 * shave:
        raise MetricError(f"a picture of {_size(truth)} is all border ({shave} pixels a side); compare larger pictures")
    height, width = truth.shape[:2]
    inner = (slice(shave, height - shave), slice(shave, width - shave))
    return picture[inner], truth[inner]


def _size(pixels: Pixels) -> str:
    return f"{pixels.shape[1]}x{pixels.shape[0]}"
