"""Errors of batches."""

from upscaler.errors import DoubleResolutionError


class BatchError(DoubleResolutionError):
    """Error for a batch that cannot be started, or that has stopped."""
