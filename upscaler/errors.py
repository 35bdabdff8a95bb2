"""Exceptions of the upscaler. Each message is one sentence: what is wrong, then what to do.

DoubleResolutionError
├── PictureError             a picture cannot be read, is too large, or cannot be written
│   ├── LimitError           a picture exceeds the limit on memory, time or pixels
│   └── UnknownFormatError   a file is in no supported picture format
├── ModelError               a model artifact is missing, broken or of another format
│   ├── GpuError             a GPU cannot run a model
│   └── HubError             the Hugging Face Hub refuses the request
│       └── HubUnreachableError  the Hub does not respond, and the model is not cached
├── MetricError              two pictures cannot be compared
└── OptionError              an option is outside its limits, or does not fit the others

Each stage and each app derives its own errors from DoubleResolutionError, in its errors.py.
"""


class DoubleResolutionError(Exception):
    """Base of all errors with a message for the user; programs print it instead of a traceback."""


class PictureError(DoubleResolutionError):
    """Error for a picture that cannot be read, is too large, or cannot be written."""


class LimitError(PictureError):
    """Error for a picture that exceeds the limit on memory, time or pixels."""


class UnknownFormatError(PictureError):
    """Error for a file in no supported picture format."""


class ModelError(DoubleResolutionError):
    """Error for a model artifact that is missing, broken or of another format."""


class GpuError(ModelError):
    """Error for a model that a GPU cannot run."""


class HubError(ModelError):
    """Error for a request that the Hugging Face Hub refuses."""


class HubUnreachableError(HubError):
    """Error for a model that is not cached while the Hub does not respond."""


class MetricError(DoubleResolutionError):
    """Error for two pictures that cannot be compared."""


class OptionError(DoubleResolutionError):
    """Error for an option outside its limits, or one that does not fit the others."""
