"""Sizes of networks, by name or as WIDTHxDEPTH[-BLOCK]."""

import re
from typing import get_args

from pydantic import ValidationError

from training_pipeline.errors import TrainingError
from upscaler.model.architecture import MAX_DEPTH, MAX_WIDTH, Architecture, Block

SIZES = {
    "tiny": Architecture(width=32, depth=6),
    "small": Architecture(width=48, depth=8),
    "base": Architecture(width=64, depth=16),
}
SYNTAX = f"{', '.join(SIZES)} or WIDTHxDEPTH[-BLOCK] with {', '.join(get_args(Block))} blocks"


def architecture(size: str) -> Architecture:
    """Return the architecture of a size, one of `SIZES` or WIDTHxDEPTH[-BLOCK]. Raises TrainingError otherwise."""
    if size in SIZES:
        return SIZES[size]
    match = re.fullmatch(rf"([1-9]\d{{0,3}})x([1-9]\d{{0,2}})(?:-({'|'.join(get_args(Block))}))?", size)
    try:
        if match:
            return Architecture(width=int(match[1]), depth=int(match[2]), block=match[3] or "plain")  # type: ignore[arg-type]
    except ValidationError:
        pass
    raise TrainingError(
        f"unknown size {size!r}; give {SYNTAX}, such as 24x10 or 48x6-gated, at most {MAX_WIDTH} channels and "
        f"{MAX_DEPTH} convolutions"
    )
