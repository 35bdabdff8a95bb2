"""Settings of both apps, read from the environment."""

import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field

from apps.serving import origins
from apps.serving.job_limits import JobLimits
from upscaler.engines.cores import cores
from upscaler.errors import DoubleResolutionError

# Variables besides host and port; docs/hosting.md describes each
VARIABLES = (
    *(
        "ALLOWED_HOSTS",
        "BEHIND_PROXY",
        "MAX_FILE_MB",
        "JOBS_EACH",
        "QUEUE_SIZE",
        "TEMPORARY_GB",
        "DELETE_AFTER_SECONDS",
    ),
    *("MAX_MINUTES", "MAX_CPU_MINUTES", "MAX_MEMORY_GB", "MAX_FRAMES", "MAX_WINDOWS", "MAX_SCANS"),
)

_GB = 1e9
_DISK_SHARE = 0.5  # maximum share of the free disk space at start for temporary files


class SettingError(DoubleResolutionError):
    """Error for an environment variable with an invalid value."""


@dataclass(frozen=True)
class ServingSettings:
    """Listening address and visitor limits of an app.

    hosts: allowed host names besides IP addresses and localhost ("*": any). behind_proxy: trust the proxy's
    X-Forwarded-For. max_file_mb: megabytes per file. jobs_each: running and queued jobs per visitor. queue_size: queued
    jobs of all visitors. temporary_bytes: bytes of all uploads and results. delete_after_seconds: their lifetime.
    job_limits: limits of one job.
    """

    host: str = "127.0.0.1"
    port: int = 7860
    hosts: frozenset[str] = field(default_factory=frozenset)
    behind_proxy: bool = False
    max_file_mb: int = 50
    jobs_each: int = 2
    queue_size: int = 20
    temporary_bytes: int = 20_000_000_000
    delete_after_seconds: int = 3600
    job_limits: JobLimits = field(default_factory=JobLimits)

    @property
    def max_file_bytes(self) -> int:
        """Bytes per file."""
        return self.max_file_mb * 1024**2


def from_environment(environment: Mapping[str, str] = os.environ) -> ServingSettings:
    """Read the settings. Raises SettingError if a variable has an invalid value."""
    defaults = ServingSettings()
    host = environment.get("GRADIO_SERVER_NAME") or defaults.host
    space = environment.get("SPACE_HOST", "")  # set by Hugging Face
    names = (*environment.get("ALLOWED_HOSTS", "").split(","), *space.split(","), host)
    gigabytes = number(environment, "TEMPORARY_GB", defaults.temporary_bytes / _GB, 0.001, 1e6)
    free = shutil.disk_usage(tempfile.gettempdir()).free
    return ServingSettings(
        host=host,
        port=whole(environment, "GRADIO_SERVER_PORT", defaults.port, most=65_535),
        hosts=frozenset(name for text in names if (name := text.strip().lower()) and not origins.is_local(name)),
        behind_proxy=_flag(environment, "BEHIND_PROXY", bool(space)),
        max_file_mb=whole(environment, "MAX_FILE_MB", defaults.max_file_mb),
        jobs_each=whole(environment, "JOBS_EACH", defaults.jobs_each),
        queue_size=whole(environment, "QUEUE_SIZE", defaults.queue_size),
        temporary_bytes=min(round(gigabytes * _GB), round(_DISK_SHARE * free)),
        delete_after_seconds=whole(environment, "DELETE_AFTER_SECONDS", defaults.delete_after_seconds),
        job_limits=_job_limits(environment, defaults.job_limits),
    )


def _job_limits(environment: Mapping[str, str], defaults: JobLimits) -> JobLimits:
    minutes = number(environment, "MAX_MINUTES", defaults.seconds / 60, 0.01, 1e5)
    return JobLimits(
        memory=round(_GB * number(environment, "MAX_MEMORY_GB", defaults.memory / _GB, 0.5, 1e6)),
        cpu_seconds=60 * number(environment, "MAX_CPU_MINUTES", minutes * cores(), 0.01, 1e6),
        seconds=60 * minutes,
        frames=whole(environment, "MAX_FRAMES", defaults.frames),
        windows=whole(environment, "MAX_WINDOWS", defaults.windows),
        scans=whole(environment, "MAX_SCANS", defaults.scans),
    )


def whole(environment: Mapping[str, str], variable: str, default: int, most: int = 10**9) -> int:
    """Read a whole number of at least 1. Raises SettingError if the variable has another value."""
    given = environment.get(variable) or str(default)
    if not (given.isdecimal() and len(given) < 12 and 1 <= int(given) <= most):
        raise SettingError(f"{variable} is {given!r}; give a whole number from 1 to {most}")
    return int(given)


def number(environment: Mapping[str, str], variable: str, default: float, least: float, most: float) -> float:
    """Read a number from `least` to `most`. Raises SettingError if the variable has another value."""
    if not (given := environment.get(variable)):
        return default
    try:
        found = float(given)
    except ValueError:
        found = float("nan")
    if not least <= found <= most:
        raise SettingError(f"{variable} is {given!r}; give a number from {least:g} to {most:g}")
    return found


def _flag(environment: Mapping[str, str], variable: str, default: bool) -> bool:
    given = environment.get(variable) or ("1" if default else "0")
    if given not in ("0", "1"):
        raise SettingError(f"{variable} is {given!r}; give 1 for yes or 0 for no")
    return given == "1"
