"""Inference for x2 super-resolution: runs a trained model on pictures and picture files, without torch."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from upscaler.config import Options
from upscaler.errors import DoubleResolutionError, ModelError, PictureError
from upscaler.limits import Limits

if TYPE_CHECKING:
    from upscaler.files import Doubled, double_file
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

# These bring NumPy, Pillow and libvips, and are imported when they are first used
_LATE = dict.fromkeys(("Doubled", "double_file"), "upscaler.files")
_LATE |= dict.fromkeys(("Progress", "Upscaler"), "upscaler.upscaler")


def __getattr__(name: str) -> Any:
    if name not in _LATE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_LATE[name]), name)
