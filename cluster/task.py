"""Tasks: named pieces of work that can be pickled and resumed."""

from collections.abc import Callable
from dataclasses import dataclass

from upscaler.command import sentence_for
from upscaler.errors import DoubleResolutionError


@dataclass(frozen=True)
class Task:
    """A named piece of work, and the CPU cores and GPUs that it needs.

    `work` must be picklable, and resume when it is repeated.
    """

    name: str
    stage: str
    work: Callable[[], object]
    cpus: int = 1
    gpus: float = 0


def attempt(work: Callable[[], object]) -> str:
    """Run `work`; return its error message, or ""."""
    try:
        work()
    except DoubleResolutionError as error:
        return str(error)
    except OSError as error:
        return sentence_for(error)
    return ""
