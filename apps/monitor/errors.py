"""Errors of the monitor."""

from upscaler.errors import DoubleResolutionError


class ApodError(DoubleResolutionError):
    """Error for a picture of the day that cannot be fetched or upscaled."""
