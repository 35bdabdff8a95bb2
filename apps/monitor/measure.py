"""Quality of the model on a day's picture: the picture is ground truth for its own x2-downscaled copy."""

import math
import time
from dataclasses import dataclass

from upscaler import Upscaler, bicubic, metrics
from upscaler.errors import MetricError
from upscaler.pixels import Pixels

MOST_MEASURED = 12_000_000  # pixels of the ground truth, the middle of a larger picture
SMALLEST = 16


@dataclass(frozen=True)
class Measurement:
    """PSNR in dB and SSIM on the Y channel, of the model and of bicubic interpolation.

    width, height: size of the ground truth in pixels. seconds: time of upscaling with the model.
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
        """Gain in PSNR over bicubic interpolation, in dB."""
        return self.psnr - self.bicubic_psnr


def measure(upscaler: Upscaler, picture: Pixels) -> Measurement:
    """Measure the model on a picture, HW3 uint8. Raises MetricError if it is too small or of constant colour."""
    if min(picture.shape[:2]) < SMALLEST:
        raise MetricError(f"the picture has less than {SMALLEST} pixels a side; measure a larger one")
    truth = middle(picture, MOST_MEASURED)
    small = bicubic.halve(truth)
    started = time.monotonic()
    doubled = upscaler.upscale(small)
    seconds = time.monotonic() - started
    model_score = metrics.score(doubled, truth)
    baseline = metrics.score(bicubic.double(small), truth)
    if not math.isfinite(model_score.psnr_y - baseline.psnr_y):
        raise MetricError("the picture is restored without any error, so it is of constant colour; measure another one")
    height, width = truth.shape[:2]
    return Measurement(width, height, model_score.psnr_y, model_score.ssim_y, baseline.psnr_y, baseline.ssim_y, seconds)


def middle(picture: Pixels, most_pixels: int) -> Pixels:
    """Crop the centre of a picture to at most `most_pixels` pixels, with its aspect ratio and even sides."""
    height, width = picture.shape[:2]
    share = min(1.0, math.sqrt(most_pixels / (height * width)))
    new_height, new_width = (int(side * share) // 2 * 2 for side in (height, width))
    top, left = (height - new_height) // 2, (width - new_width) // 2
    return picture[top : top + new_height, left : left + new_width]
