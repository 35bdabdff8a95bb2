"""Doubles the width and height of pictures: runs a trained ensemble, exactly and fast, without torch."""

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
