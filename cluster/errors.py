"""Errors of shared storage and clusters."""

from upscaler.errors import DoubleResolutionError


class StorageError(DoubleResolutionError):
    """Shared storage, or the cluster that works on it, cannot be used."""
