"""Errors of the feature pipeline."""

from upscaler.errors import DoubleResolutionError


class FeatureError(DoubleResolutionError):
    """Error for a bucket, a part or a shard that cannot be used."""
