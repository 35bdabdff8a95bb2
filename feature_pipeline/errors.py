"""Errors of the feature pipeline."""

from upscaler.errors import DoubleResolutionError


class FeatureError(DoubleResolutionError):
    """A bucket, a part or a shard cannot be used."""
