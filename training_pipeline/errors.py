"""Errors of the training pipeline."""

from upscaler.errors import DoubleResolutionError


class TrainingError(DoubleResolutionError):
    """A run, its data or its checkpoints cannot be used."""
