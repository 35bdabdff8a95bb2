"""Errors of the ensemble pipeline."""

from upscaler.errors import DoubleResolutionError


class EnsembleError(DoubleResolutionError):
    """Error for members that cannot be combined, evaluated or published."""
