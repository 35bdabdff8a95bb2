"""Errors of the training pipeline."""

from upscaler.errors import DoubleResolutionError


class TrainingError(DoubleResolutionError):
    """Error for a run, its data or its checkpoints."""
