"""Errors of batches."""

import errno

from upscaler.command import sentence_for
from upscaler.errors import DoubleResolutionError


class BatchError(DoubleResolutionError):
    """Error for a batch that cannot be started, or that has stopped."""


class AppearedError(FileExistsError):
    """Error for a result that has appeared in the output meanwhile, such as another machine's."""


class BlockedError(DoubleResolutionError):
    """Error for one result that cannot have its name, in a place where others can."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"{name} in OUT is a folder, or a file stands where its folder would be; rename that, or give another OUT"
        )


class UnreadableError(DoubleResolutionError):
    """Error for one file that cannot be read, in a place where others can. reason: "gone", or the system's code."""

    def __init__(self, name: str, error: OSError) -> None:
        is_gone = error.errno == errno.ENOENT
        super().__init__(f"{name} is gone; list the pictures anew" if is_gone else sentence_for(error))
        self.reason = "gone" if is_gone else errno.errorcode[error.errno or 0]
