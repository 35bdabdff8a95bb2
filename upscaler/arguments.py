"""The command line of a config: argparse, derived from the options that its fields declare."""

import argparse
from collections.abc import Callable, Iterator, Mapping
from dataclasses import MISSING, fields
from functools import wraps
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

from upscaler.errors import OptionError
from upscaler.options import Declared, Nested, members

Config = TypeVar("Config")
Saved = Mapping[str, Any]  # a config as JSON
_Parser = argparse._ActionsContainer  # a parser, or a group of one


def add_options(
    parser: _Parser, config: type, names: tuple[str, ...] = (), require: bool = True, **defaults: Any
) -> None:
    """Add the options of a config to a parser, and those of its nested configs.

    names: only these fields. require: insist on those without a default. defaults: in place of the fields' own;
    MISSING: none.
    """
    for one in members(config, names):
        if isinstance(one, Nested):
            group = parser.add_argument_group(one.part.title) if one.part.title else parser
            add_options(group, one.config, one.part.names, require, **one.part.values)
        else:
            _add(parser, one, defaults.get(one.field, one.default), require)


def from_arguments(
    config: type[Config],
    given: argparse.Namespace,
    names: tuple[str, ...] = (),
    saved: Saved = MappingProxyType({}),
    **defaults: Any,
) -> Config:
    """Make the config that was given on the command line, or else saved; nested ones may be saved at the top, too.

    Raises OptionError if an option is missing, or a value lies outside its limits.
    """
    values = {name: value for name, value in defaults.items() if value is not MISSING}
    for one in members(config, names):
        if isinstance(one, Nested):
            below = found if isinstance(found := saved.get(one.field), dict) else saved
            values[one.field] = from_arguments(one.config, given, one.part.names, below, **one.part.values)
        elif (value := getattr(given, _key(one))) not in (None, []):
            read = one.option.read or (tuple if one.many else None)
            values[one.field] = read(value) if read else value
        elif saved.get(one.field) is not None:
            values[one.field] = _restored(one, saved[one.field])
        elif defaults.get(one.field, one.default) is MISSING:
            raise OptionError(f"{one.name} is neither given nor saved; give it")
    return config(**values)


def check_known(config: type, saved: Saved) -> None:
    """Raise OptionError if a saved config has a name that no field of the config has, or of its nested ones."""
    if unknown := sorted(set(saved) - set(_names(config))):
        raise OptionError(f"{unknown[0]!r} is no option here; correct the saved config")


def _names(config: type) -> Iterator[str]:
    yield from (one.name for one in fields(config))
    for one in members(config):
        if isinstance(one, Nested):
            yield from _names(one.config)


def _restored(one: Declared, value: Any) -> Any:
    """The value of an option that JSON holds as text, numbers or lists of them."""
    try:
        if one.many != isinstance(value, list):
            raise TypeError
        return tuple(_converted(one.kind, item) for item in value) if one.many else _converted(one.kind, value)
    except (TypeError, ValueError, OverflowError) as error:
        raise OptionError(f"{one.name} cannot be {value!r}; correct the saved config") from error


def _converted(kind: Any, value: Any) -> Any:
    """Convert a value, which must not lose anything: bool("false") is True, and int(2.5) is 2."""
    made = kind(value)
    if isinstance(value, bool) != (kind is bool) or (isinstance(value, float) and made != value):
        raise TypeError
    return made


def _add(parser: _Parser, one: Declared, default: Any, require: bool) -> None:
    """Add one option; argparse leaves None where it is not given, so that the config's own default holds."""
    own, required = one.option, require and default is MISSING
    settings: dict[str, Any] = {"help": _help(own.help, default), "default": None}
    if one.kind is bool:
        settings["action"] = argparse.BooleanOptionalAction if default is True else "store_true"
    else:
        settings |= {
            "type": _filled(str if own.read else one.kind, one.default),
            "choices": one.choices or None,
            "metavar": own.metavar,
        }
        if one.many:
            settings["action"] = "extend" if own.positional or own.listed else "append"
            settings["nargs"] = None if settings["action"] == "append" else "+" if own.listed or required else "*"
        if settings.get("nargs") == "*":
            settings["choices"] = None  # argparse of Python 3.11 refuses none as a choice; the config checks them
    if own.positional:
        parser.add_argument(one.field, **settings)
    else:
        parser.add_argument(*(own.flags or [one.name]), dest=_key(one), required=required, **settings)


def _filled(kind: Callable[[str], Any], default: Any) -> Callable[[str], Any]:
    """Return what reads a value as `kind` does, but refuses empty text, such as "$UNSET", unless it is the default."""
    hint = "name a place, such as . for this folder" if kind is Path else "give a value, or leave the option out"

    @wraps(kind, updated=())  # argparse names it in its messages
    def read(text: str) -> Any:
        if text == "" != default:
            raise argparse.ArgumentTypeError(f"it is empty; {hint}")  # Path("") would be this folder
        return kind(text)

    return read


def _help(text: str, default: Any) -> str:
    """The help with its default, if that means something; defaults in words are in the text already."""
    shown = f"{default:g}" if isinstance(default, float) else str(default)
    meaningless = shown in ("", "()", "{}", "None", "False") or default is MISSING or "(default" in text
    return text.replace("%", "%%") + ("" if meaningless else f" (default: {shown})")


def _key(one: Declared) -> str:
    return one.name.lstrip("-").replace("-", "_")
