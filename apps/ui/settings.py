"""What the host may set, by environment variables."""

import os
from dataclasses import dataclass, field

from apps.serving.job_limits import JobLimits
from upscaler import models


@dataclass(frozen=True)
class Settings:
    """How the app is run.

    models: what `Upscaler.load` takes, each; the first is the default. max_file_mb: of one upload. queue_size: how
    many may wait. delete_after_seconds: how long uploads and results are kept. host, port: where to listen.
    """

    models: tuple[str, ...] = (models.FAST,)
    max_file_mb: int = 50
    queue_size: int = 20
    delete_after_seconds: int = 3600
    job_limits: JobLimits = field(default_factory=JobLimits)
    host: str = "127.0.0.1"
    port: int = 7860


def from_environment() -> Settings:
    """The settings as the environment has them. Exits with a sentence if a number is none."""
    return Settings(
        models=named(models.wanted()),
        max_file_mb=_number("MAX_FILE_MB", Settings.max_file_mb),
        queue_size=_number("QUEUE_SIZE", Settings.queue_size),
        delete_after_seconds=_number("DELETE_AFTER_SECONDS", Settings.delete_after_seconds),
        host=os.environ.get("GRADIO_SERVER_NAME", Settings.host),
        port=_number("GRADIO_SERVER_PORT", Settings.port),
    )


def named(given: str) -> tuple[str, ...]:
    """The models in a list with commas: "fast,best"."""
    return tuple(model.strip() for model in given.split(","))


def _number(variable: str, default: int) -> int:
    given = os.environ.get(variable, str(default))
    if not given.isdecimal() or int(given) == 0:
        raise SystemExit(f"error: {variable} is {given!r}; give a whole number of 1 or more")
    return int(given)
