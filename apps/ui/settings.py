"""Settings of the web UI, read from the environment."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from os import environ

from apps.serving import settings as serving
from apps.serving.settings import ServingSettings
from upscaler.model import find


@dataclass(frozen=True)
class Settings:
    """Settings of the web UI. models: names for `find.model`, the default first. serving: settings of both apps."""

    models: tuple[str, ...] = (find.FAST,)
    serving: ServingSettings = field(default_factory=ServingSettings)


def from_environment(environment: Mapping[str, str] = environ) -> Settings:
    """Read the settings. Raises SettingError if a variable has an invalid value."""
    return Settings(named(find.wanted()), serving.from_environment(environment))


def named(given: str) -> tuple[str, ...]:
    """Split a comma-separated list of model names, such as "fast,best"."""
    return tuple(model.strip() for model in given.split(","))
