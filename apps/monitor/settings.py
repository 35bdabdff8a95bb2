"""Settings of the monitor, read from the environment."""

import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from apps.serving import settings as serving
from apps.serving.settings import ServingSettings, SettingError
from upscaler.links import followed
from upscaler.user_cache import user_cache

NASA = "https://science.nasa.gov/wp-json/wp/v2/apod-basic"
CACHE_GB = 5.0

# Besides those of both apps; docs/monitor.md describes each
VARIABLES = ("APOD_URL", "CACHE", "CACHE_GB", "HISTORY", "HISTORY_REPO")


@dataclass(frozen=True)
class Settings:
    """Settings of the monitor.

    apod_url: NASA's API. model: name for `find.model`. cache: folder of finished pictures, of at most `cache_bytes`.
    history: SQLite file of measurements. history_repo: dataset on the Hub that mirrors it, if any. serving: settings of
    both apps.
    """

    apod_url: str
    model: str
    cache: Path
    cache_bytes: int
    history: Path
    history_repo: str | None
    serving: ServingSettings = field(default_factory=ServingSettings)


def from_environment(model: str, environment: Mapping[str, str] = os.environ) -> Settings:
    """Read APOD_URL, CACHE, CACHE_GB, HISTORY, HISTORY_REPO and the settings of both apps.

    Raises SettingError if a variable has an invalid value.
    """
    cache = Path(environment.get("CACHE") or _default_cache())
    return Settings(
        apod_url=_address(environment.get("APOD_URL") or NASA),
        model=model,
        cache=followed(cache),
        cache_bytes=round(serving.number(environment, "CACHE_GB", CACHE_GB, 1e-6, 1e6) * 1e9),
        history=Path(environment.get("HISTORY") or cache / "history.sqlite").absolute(),
        history_repo=environment.get("HISTORY_REPO") or None,
        serving=serving.from_environment(environment),
    )


def _default_cache() -> Path:
    """Return a folder in the user's cache, or in the temporary folder if the home is read-only, as on some hosts."""
    cache = user_cache()
    existing = next(folder for folder in (cache, *cache.parents) if folder.exists())
    root = cache if os.access(existing, os.W_OK) else Path(tempfile.gettempdir()) / cache.name
    return root / "monitor"


def _address(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise SettingError(f"APOD_URL is {text!r}, which is not a web address; give one that begins with https://")
    return text.rstrip("/")
