"""The settings of the web UI, from the environment."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from os import environ

from apps.serving import settings as serving
from apps.serving.settings import ServingSettings
from upscaler.model import find


@dataclass(frozen=True)
class Settings:
    """models: what `find.model` takes, each; the first is the default. serving: what both apps share."""

    models: tuple[str, ...] = (find.FAST,)
    serving: ServingSettings = field(default_factory=ServingSettings)


def from_environment(environment: Mapping[str, str] = environ) -> Settings:
    """Read the settings. Raises SettingError if a variable holds what it cannot hold."""
    return Settings(named(find.wanted()), serving.from_environment(environment))


def named(given: str) -> tuple[str, ...]:
    """Split a list with commas: "fast,best"."""
    return tuple(model.strip() for model in given.split(","))
