"""How well the model does on a day's picture, which is its own truth: halve it, double it again, compare."""

import math
import time
from dataclasses import dataclass

from upscaler import Upscaler, bicubic, metrics
from upscaler.errors import MetricError
from upscaler.pixels import Pixels

MOST_PIXELS = 12_000_000
SMALLEST = 16


@dataclass(frozen=True)
class Measurement:
    """PSNR in dB and SSIM, on the Y channel, of the model and of bicubic interpolation, on `width` x `height` pixels.

    seconds: what doubling the half with the model took.
    """

    width: int
    height: int
    psnr: float
    ssim: float
    bicubic_psnr: float
    bicubic_ssim: float
    seconds: float

    @property
    def gain(self) -> float:
        """dB that the model is above bicubic interpolation."""
        return self.psnr - self.bicubic_psnr


def measure(upscaler: Upscaler, picture: Pixels) -> Measurement:
    """Measure the model on a picture, HW3 uint8. Raises MetricError if it is too small or too plain for that."""
    if min(picture.shape[:2]) < SMALLEST:
        raise MetricError(f"the picture has less than {SMALLEST} pixels a side; there is nothing to measure")
    truth = middle(picture, MOST_PIXELS)
    small = bicubic.halve(truth)
    started = time.monotonic()
    doubled = upscaler.upscale(small)
    seconds = time.monotonic() - started
    ours = metrics.score(doubled, truth)
    plain = metrics.score(bicubic.double(small), truth)
    if not math.isfinite(ours.psnr_y - plain.psnr_y):
        raise MetricError("the picture comes back without an error, so it must be all of one colour")
    height, width = truth.shape[:2]
    return Measurement(width, height, ours.psnr_y, ours.ssim_y, plain.psnr_y, plain.ssim_y, seconds)


def middle(picture: Pixels, most_pixels: int) -> Pixels:
    """The middle of a picture, of its proportions and even sides, with at most `most_pixels` pixels."""
    height, width = picture.shape[:2]
    share = min(1.0, math.sqrt(most_pixels / (height * width)))
    new_height, new_width = (int(side * share) // 2 * 2 for side in (height, width))
    top, left = (height - new_height) // 2, (width - new_width) // 2
    return picture[top : top + new_height, left : left + new_width]
