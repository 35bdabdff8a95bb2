"""Errors of shared storage and clusters."""

from upscaler.errors import DoubleResolutionError


class StorageError(DoubleResolutionError):
    """Error for shared storage, or for the cluster that works on it."""
