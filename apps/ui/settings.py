"""Settings of the web UI, read from the environment."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from os import environ

from apps.serving import settings as serving
from apps.serving.settings import ServingSettings, SettingError, number
from upscaler.model import find

VARIABLES = ("REPLICA", "DRAIN_MINUTES")  # besides those of both apps; docs/ui.md describes each

_LONGEST_REPLICA = 16


@dataclass(frozen=True)
class Settings:
    """Settings of the web UI.

    models: names for `find.model`, the default first. replica: with what the ids of its jobs begin, if it is one of
    several servers behind one address. drain_seconds: time to finish its work in after SIGTERM. serving: settings of
    both apps.
    """

    models: tuple[str, ...] = (find.FAST,)
    replica: str = ""
    drain_seconds: float = 0
    serving: ServingSettings = field(default_factory=ServingSettings)


def from_environment(models: str, environment: Mapping[str, str] = environ) -> Settings:
    """Read the settings besides `models`, names with commas between them.

    Raises SettingError if a variable has an invalid value.
    """
    return Settings(
        tuple(model.strip() for model in models.split(",")),
        _replica(environment),
        60 * number(environment, "DRAIN_MINUTES", 0, 0, 1e4),
        serving.from_environment(environment),
    )


def _replica(environment: Mapping[str, str]) -> str:
    """Read the name of a replica, which becomes part of addresses and of a folder's name."""
    given = environment.get("REPLICA", "")
    if given and not (given.isascii() and given.isalnum() and len(given) <= _LONGEST_REPLICA):
        raise SettingError(f"REPLICA is {given!r}; give up to {_LONGEST_REPLICA} letters and digits")
    return given
