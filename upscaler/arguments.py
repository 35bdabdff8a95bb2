"""The command line of a config: argparse, derived from the options that its fields declare."""

import argparse
from dataclasses import MISSING
from typing import Any, TypeVar

from upscaler.options import Declared, Nested, members

Config = TypeVar("Config")
_Parser = argparse._ActionsContainer  # a parser, or a group of one


def add_options(parser: _Parser, config: type, names: tuple[str, ...] = (), **defaults: Any) -> None:
    """Add the options of a config to a parser, and those of its nested configs.

    names: only these fields. defaults: in place of the fields' own; MISSING: the option is required.
    """
    for one in members(config, names):
        if isinstance(one, Nested):
            group = parser.add_argument_group(one.part.title) if one.part.title else parser
            add_options(group, one.config, one.part.names, **one.part.values)
        else:
            _add(parser, one, defaults.get(one.field, one.default))


def from_arguments(
    config: type[Config], given: argparse.Namespace, names: tuple[str, ...] = (), **defaults: Any
) -> Config:
    """Make the config that was given on the command line. Raises OptionError if a value lies outside its limits."""
    values = {name: value for name, value in defaults.items() if value is not MISSING}
    for one in members(config, names):
        if isinstance(one, Nested):
            values[one.field] = from_arguments(one.config, given, one.part.names, **one.part.values)
        elif (value := getattr(given, _key(one))) not in (None, []):
            read = one.option.read or (tuple if one.many else None)
            values[one.field] = read(value) if read else value
    return config(**values)


def _add(parser: _Parser, one: Declared, default: Any) -> None:
    """Add one option; argparse leaves None where it is not given, so that the config's own default holds."""
    own, required = one.option, default is MISSING
    settings: dict[str, Any] = {"help": _help(own.help, default), "default": None}
    if one.kind is bool:
        settings["action"] = argparse.BooleanOptionalAction if default is True else "store_true"
    else:
        settings |= {"type": str if own.read else one.kind, "choices": one.choices or None, "metavar": own.metavar}
        if one.many:
            settings["action"] = "extend" if own.positional or own.listed else "append"
            settings["nargs"] = None if settings["action"] == "append" else "+" if own.listed or required else "*"
    if own.positional:
        parser.add_argument(one.field, **settings)
    else:
        parser.add_argument(*(own.flags or [one.name]), dest=_key(one), required=required, **settings)


def _help(text: str, default: Any) -> str:
    """The help with its default, if that means something; defaults in words are in the text already."""
    shown = f"{default:g}" if isinstance(default, float) else str(default)
    meaningless = shown in ("", "()", "{}", "None", "False") or default is MISSING or "(default" in text
    return text.replace("%", "%%") + ("" if meaningless else f" (default: {shown})")


def _key(one: Declared) -> str:
    return one.name.lstrip("-").replace("-", "_")
