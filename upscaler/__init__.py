"""Inference for x2 super-resolution: runs a trained model on pictures and picture files, without torch."""

from upscaler.errors import DoubleResolutionError, ModelError, PictureError
from upscaler.files import Doubled, Options, double_file
from upscaler.limits import Limits
from upscaler.upscaler import Progress, Upscaler

__all__ = [
    "DoubleResolutionError",
    "Doubled",
    "Limits",
    "ModelError",
    "Options",
    "PictureError",
    "Progress",
    "Upscaler",
    "double_file",
]
