"""Errors of the upscaler, as one tree: each message is one sentence that says what was wrong and what to do.

DoubleResolutionError
├── PictureError        a picture that cannot be read, is too large, or cannot be written
│   ├── LimitError      it asks for more memory, time or pixels than is allowed
│   └── UnknownFormatError   its file is of no format that can be read
├── ModelError          a model artifact that is missing, broken or of another format
│   └── HubError        the Hugging Face Hub refuses
│       └── HubUnreachableError  it does not answer, and the model is not in the cache
├── MetricError         two pictures that cannot be compared
└── OptionError         an option outside its limits

Each stage and each app defines its own errors below DoubleResolutionError, in its errors.py.
"""


class DoubleResolutionError(Exception):
    """Any failure whose message is meant for the person who asked; each program prints it instead of a traceback."""


class PictureError(DoubleResolutionError):
    """A picture cannot be read, is too large, or cannot be written."""


class LimitError(PictureError):
    """A picture asks for more memory, time or pixels than is allowed."""


class UnknownFormatError(PictureError):
    """A file is of no picture format that can be read."""


class ModelError(DoubleResolutionError):
    """A model artifact is missing, broken or of another format."""


class HubError(ModelError):
    """The Hugging Face Hub refuses."""


class HubUnreachableError(HubError):
    """The Hub does not answer, and the model is not in the cache."""


class MetricError(DoubleResolutionError):
    """Two pictures cannot be compared."""


class OptionError(DoubleResolutionError):
    """An option lies outside its limits, or does not fit the others."""
