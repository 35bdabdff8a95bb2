"""Errors of the monitor."""

from upscaler.errors import DoubleResolutionError


class ApodError(DoubleResolutionError):
    """NASA's picture of the day cannot be had."""
