"""What the environment sets."""

import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from apps.serving.job_limits import JobLimits
from upscaler import models
from upscaler.errors import DoubleResolutionError

NASA = "https://science.nasa.gov/wp-json/wp/v2/apod-basic"
CACHE_GB = 5.0


class SettingError(DoubleResolutionError):
    """A variable of the environment holds what it cannot hold."""


@dataclass(frozen=True)
class Settings:
    """apod_url: NASA's interface. cache: the folder of finished pictures, of at most `cache_bytes`. history: the
    SQLite file of measurements. history_repo: a data set on the Hub that mirrors it, if any. host, port: where to
    listen."""

    apod_url: str
    model: str
    cache: Path
    cache_bytes: int
    history: Path
    history_repo: str | None
    host: str = "127.0.0.1"
    port: int = 7860
    job_limits: JobLimits = field(default_factory=JobLimits)


def from_environment(environment: Mapping[str, str] = os.environ) -> Settings:
    """Read APOD_URL, DOUBLE_RESOLUTION_MODEL, CACHE, CACHE_GB, HISTORY, HISTORY_REPO and Gradio's host and port.

    Raises SettingError if one of them cannot be used.
    """
    cache = Path(environment.get("CACHE") or _default_cache())
    return Settings(
        apod_url=_address(environment.get("APOD_URL") or NASA),
        model=environment.get(models.VARIABLE) or models.FAST,
        cache=cache.resolve(),
        cache_bytes=round(_gigabytes(environment.get("CACHE_GB") or str(CACHE_GB)) * 1e9),
        history=Path(environment.get("HISTORY") or cache / "history.sqlite").absolute(),
        history_repo=environment.get("HISTORY_REPO") or None,
        host=environment.get("GRADIO_SERVER_NAME") or Settings.host,
        port=_port(environment.get("GRADIO_SERVER_PORT") or str(Settings.port)),
    )


def _default_cache() -> Path:
    """A folder in the user's cache, or in the temporary folder where the home can only be read, as on some hosts."""
    caches = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    existing = next(folder for folder in (caches, *caches.parents) if folder.exists())
    root = caches if os.access(existing, os.W_OK) else Path(tempfile.gettempdir())
    return root / "double-resolution" / "monitor"


def _address(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise SettingError(f"APOD_URL is {text!r}, which is no address; give one that begins with https://")
    return text.rstrip("/")


def _port(text: str) -> int:
    if not text.isdecimal() or not 0 < int(text) < 65536:
        raise SettingError(f"GRADIO_SERVER_PORT is {text!r}, which is no port; give a number from 1 to 65535")
    return int(text)


def _gigabytes(text: str) -> float:
    try:
        gigabytes = float(text)
    except ValueError:
        gigabytes = -1.0
    if not 0 < gigabytes < 1e6:
        raise SettingError(f"CACHE_GB is {text!r}, which is no size; give a number of gigabytes such as 5")
    return gigabytes
