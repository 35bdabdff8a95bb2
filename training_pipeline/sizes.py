"""Sizes of networks, by name or as WIDTHxDEPTH."""

import re

from training_pipeline.errors import TrainingError
from upscaler.model.architecture import MAX_DEPTH, MAX_WIDTH, Architecture

SIZES = {
    "tiny": Architecture(width=32, depth=6),
    "small": Architecture(width=48, depth=8),
    "base": Architecture(width=64, depth=16),
}


def architecture(size: str) -> Architecture:
    """Return the architecture of a size, one of `SIZES` or WIDTHxDEPTH. Raises TrainingError if it is neither."""
    if size in SIZES:
        return SIZES[size]
    match = re.fullmatch(r"([1-9]\d{0,3})x([1-9]\d{0,2})", size)
    if match and (width := int(match[1])) <= MAX_WIDTH and (depth := int(match[2])) <= MAX_DEPTH:
        return Architecture(width=width, depth=depth)
    raise TrainingError(
        f"unknown size {size!r}; give {', '.join(SIZES)} or WIDTHxDEPTH, such as 24x10, at most {MAX_WIDTH}x{MAX_DEPTH}"
    )
