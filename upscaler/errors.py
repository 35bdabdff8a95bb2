"""What can go wrong, as one tree: each message is one sentence that says what was wrong and what to do.

DoubleResolutionError
├── PictureError        a picture that cannot be read, is too large, or cannot be written
├── ModelError          a model artifact that is missing, broken or of another format
│   └── HubError        the Hugging Face Hub refuses
│       └── HubUnreachableError  it does not answer, and the model is not in the cache
├── MetricError         two pictures that cannot be compared
├── StorageError        shared storage, or the cluster that works on it
├── FeatureError        a bucket, a part or a shard
├── TrainingError       a run, its data or its checkpoints
├── EnsembleError       members that cannot be combined, published or tested
└── ApodError           NASA's picture of the day
"""


class DoubleResolutionError(Exception):
    """Any failure whose message is meant for the person who asked; caught at the rim of each program."""


class PictureError(DoubleResolutionError):
    """A picture cannot be read, is too large, or cannot be written."""


class ModelError(DoubleResolutionError):
    """A model artifact is missing, broken or of another format."""


class HubError(ModelError):
    """The Hugging Face Hub refuses."""


class HubUnreachableError(HubError):
    """The Hub does not answer, and the model is not in the cache."""


class MetricError(DoubleResolutionError):
    """Two pictures cannot be compared."""


class StorageError(DoubleResolutionError):
    """Shared storage, or the cluster that works on it, cannot be used."""


class FeatureError(DoubleResolutionError):
    """A bucket, a part or a shard cannot be used."""


class TrainingError(DoubleResolutionError):
    """A run cannot start or go on."""


class EnsembleError(DoubleResolutionError):
    """Members cannot be combined, published or tested."""


class ApodError(DoubleResolutionError):
    """NASA's picture of the day cannot be had."""
