"""Configs as JSON files beside their results, which a command takes back with --config."""

import json
from collections.abc import Collection
from dataclasses import MISSING, asdict, dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any

from upscaler.atomic import write_text
from upscaler.errors import OptionError
from upscaler.options import option

MOST_BYTES = 1 << 20  # of a saved config


@dataclass(frozen=True)
class SavedConfig:
    """The file with the config of an earlier run."""

    config: Path | None = option("take options from a saved config; those given here win", default=None, metavar="FILE")


def write(file: Path, config: Any) -> None:
    """Save a config, a dataclass."""
    write_text(file, json.dumps(content(config), indent=2) + "\n")


def content(config: Any) -> dict[str, Any]:
    """Return a config, a dataclass, as `read` returns it when it is saved."""
    values: dict[str, Any] = json.loads(json.dumps(asdict(config), default=str))
    return values


def matches(file: Path, config: Any, but: Collection[str]) -> bool:
    """Return True if the file holds the config, except for the fields `but`. Raises OptionError if it holds none.

    A field that did not exist when it was saved had its default.
    """
    saved = completed(read(file), config)
    there, here = ({key: v for key, v in one.items() if key not in but} for one in (saved, content(config)))
    return there == here


def completed(values: dict[str, Any], config: Any) -> dict[str, Any]:
    """Return the values of a saved config of the type of `config`, with the defaults of fields that it lacks."""
    defaults = {
        field.name: field.default if field.default_factory is MISSING else field.default_factory()
        for field in fields(config)
    }
    known = {name: default for name, default in defaults.items() if default is not MISSING}
    found: dict[str, Any] = json.loads(json.dumps(known, default=_plain)) | values
    for name in defaults:
        if is_dataclass(part := getattr(config, name)) and isinstance(found.get(name), dict):
            found[name] = completed(found[name], part)
    return found


def _plain(value: Any) -> Any:
    return asdict(value) if is_dataclass(value) and not isinstance(value, type) else str(value)


def read(file: Path) -> dict[str, Any]:
    """Read a saved config. Raises OptionError if it is none."""
    try:
        with file.open("rb") as opened:
            text = opened.read(MOST_BYTES + 1)
        if len(text) > MOST_BYTES:
            raise ValueError
        content = json.loads(text)  # with names that are not in UTF-8, which Pydantic refuses
    except (ValueError, RecursionError) as error:
        raise OptionError(
            f"{file} is not JSON of at most {MOST_BYTES:,} bytes; give a saved config, such as run.json"
        ) from error
    if not isinstance(content, dict):
        raise OptionError(f"{file} holds no options; give a saved config, such as run.json")
    return content
