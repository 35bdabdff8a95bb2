"""Errors of the ensemble pipeline."""

from upscaler.errors import DoubleResolutionError


class EnsembleError(DoubleResolutionError):
    """Members cannot be combined, published or tested."""
