"""Options, each declared once: a dataclass field with its help and its limits.

The command line is derived from it (see arguments.py). Limits are checked where the dataclass is made, so that library
callers get the same sentence as the command line.
"""

import math
import operator
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import MISSING, Field, dataclass, field, fields, replace
from pathlib import Path
from types import NoneType
from typing import Any, Literal, get_args, get_origin, get_type_hints

from upscaler.errors import OptionError

Needs = Mapping[str, str | Literal[True]]
LARGEST = 10**12  # of whole numbers that declare no limit


@dataclass(frozen=True)
class Option:
    """The declaration that a field carries. Of a number, `least` and `most` are allowed, `above` and `below` are not.

    `flags`: the last one names the option; the field's name does if there are none. `positional`: it has no flag.
    `listed`: takes several values at once; other sequences take one each time the option is given. `read`: makes the
    field's value of the text, or of the texts. `needs`: it applies only if one of these fields of its config has the
    value, or any value but an empty one for True. `distinct`: of several paths, no two lead to the same place.
    """

    help: str
    least: float | None = None
    most: float | None = None
    above: float | None = None
    below: float | None = None
    choices: tuple[str, ...] = ()
    metavar: str | None = None
    flags: tuple[str, ...] = ()
    positional: bool = False
    listed: bool = False
    read: Callable[[Any], Any] | None = None
    needs: Needs = field(default_factory=dict)
    distinct: bool = False


@dataclass(frozen=True)
class Part:
    """The declaration of a field that holds another config; see `part`."""

    names: tuple[str, ...]
    title: str | None
    values: Mapping[str, Any]
    needs: Needs


@dataclass(frozen=True)
class Declared:
    """An option of a config. `name`: on the command line. `kind`: the type of one value. `many`: of a sequence."""

    field: str
    option: Option
    name: str
    kind: Any
    many: bool
    choices: tuple[str, ...]
    default: Any


@dataclass(frozen=True)
class Nested:
    """A field that holds another config, of the class `config`."""

    field: str
    config: type
    part: Part


def option(
    help: str, *, default: Any = MISSING, default_factory: Any = MISSING, repr: bool = True, **declaration: Any
) -> Any:
    """Declare a field as an option, required if it has no default. `declaration`: what `Option` holds."""
    metadata = {"option": Option(help, **declaration)}
    return field(default=default, default_factory=default_factory, repr=repr, metadata=metadata)


def same(config: type, name: str, *, default: Any = MISSING, **changes: Any) -> Any:
    """Declare a field as the option `name` of another config, with its default unless another is given."""
    other = next(one for one in fields(config) if one.name == name)
    metadata = {"option": replace(other.metadata["option"], **changes)}
    if default is MISSING:
        return field(default=other.default, default_factory=other.default_factory, metadata=metadata)
    return field(default=default, metadata=metadata)


def part(
    *names: str,
    title: str | None = None,
    needs: Needs | None = None,
    default_factory: Any = MISSING,
    **values: Any,
) -> Any:
    """Declare a field as a nested config of which a command offers the options `names`, or all.

    `title`: of their group in the help. `needs`: see `Option`. `values`: of its other fields, or other defaults;
    MISSING: required here.
    """
    return field(default_factory=default_factory, metadata={"part": Part(names, title, values, needs or {})})


def members(config: type, names: tuple[str, ...] = ()) -> Iterator[Declared | Nested]:
    """Yield the options and the nested configs among the fields `names` of a config, or among all, in order."""
    hints = get_type_hints(config)
    for one in fields(config):
        if names and one.name not in names:
            continue
        if "part" in one.metadata:
            yield Nested(one.name, hints[one.name], one.metadata["part"])
        elif own := one.metadata.get("option"):
            kind, many, choices = _type(hints[one.name])
            yield Declared(one.name, own, _name(one, own), kind, many, own.choices or choices, _default(one))


def options_of(config: type) -> Iterator[Declared]:
    """Yield the options of a config, without those of nested ones."""
    return (one for one in members(config) if isinstance(one, Declared))


def option_name(config: type, field: str) -> str:
    """Return the name of a field's option, as it is on the command line; of a field that is none, as it would be."""
    return next((one.name for one in options_of(config) if one.field == field), f"--{field.replace('_', '-')}")


def describe(config: type, field: str, before: Any, now: Any) -> str:
    """Describe an option that had another value before: "with --steps 3, not 4", "without --jpeg"."""
    name = option_name(config, field)
    if before is None or before is False:
        return f"without {name}"
    if before is True:
        return f"with {name}"
    return f"with {name} {before}" if now is None else f"with {name} {before}, not {now}"


def check_limits(config: Any) -> None:
    """Raise OptionError if a field of a config lies outside its limits, or is set where it does not apply.

    None is always within the limits.
    """
    for one in options_of(type(config)):
        value = getattr(config, one.field)
        if one.choices and not one.option.read and value is not None:
            wrong = set(value if one.many else [value]) - set(one.choices)
            if wrong:
                raise OptionError(f"{one.name} must be {' or '.join(one.choices)}, got {', '.join(sorted(wrong))}")
        if isinstance(value, int | float) and (limit := _broken_limit(one.option, value)):
            raise OptionError(f"{one.name} must be {limit}, got {value}")
        if one.option.distinct:
            _check_distinct(one, value)
    _check_needs(config)


def _check_needs(config: Any) -> None:
    for one in members(type(config)):
        if isinstance(one, Declared):
            needs, names = one.option.needs, _changed(config, one.field)
        else:
            needs, names = one.part.needs, _changed(getattr(config, one.field))
        if needs and not any(_holds(config, *need) for need in needs.items()):
            for name in names:
                raise OptionError(f"{name} applies only with {_words(type(config), needs)}; leave it out")


def _check_distinct(one: Declared, paths: Iterable[Path]) -> None:
    """Raise OptionError if two of the paths lead to the same place, also by links or other spellings."""
    seen = set[str]()
    for path in paths:
        if (place := os.path.realpath(path)) in seen:
            raise OptionError(f"{one.name} has the same folder twice, {path}; give it once")
        seen.add(place)


def _changed(config: Any, field: str = "") -> Iterator[str]:
    """Yield the names of the options whose value is not the default."""
    for one in options_of(type(config)):
        if field in ("", one.field) and getattr(config, one.field) != one.default:
            yield one.name


def _holds(config: Any, field: str, wanted: str | bool) -> bool:
    value = getattr(config, field)
    return bool(value) if wanted is True else value == wanted


def _words(config: type, needs: Needs) -> str:
    names = ((option_name(config, field), wanted) for field, wanted in needs.items())
    return " or ".join(name if wanted is True else f"{name} {wanted}" for name, wanted in names)


def _broken_limit(own: Option, value: float) -> str | None:
    """The limit that a number breaks, in words."""
    if isinstance(value, float) and not math.isfinite(value):
        return "a finite number"
    if own.least is not None and own.most is not None:
        return None if own.least <= value <= own.most else f"{own.least} to {own.most}"
    limits = [
        (own.least, operator.ge, "{} or more"),
        (own.above, operator.gt, "above {}"),
        (own.most if own.most is not None else _largest(value), operator.le, "at most {}"),
        (own.below, operator.lt, "below {}"),
    ]
    given = [(holds(value, limit), words.format(limit)) for limit, holds, words in limits if limit is not None]
    return None if all(holds for holds, _ in given) else " and ".join(words for _, words in given)


def _largest(value: float) -> int | None:
    """The limit of whole numbers that have none: beyond it, libraries fail in ways of their own."""
    return LARGEST if isinstance(value, int) and value > LARGEST else None


def _name(one: "Field[Any]", own: Option) -> str:
    name = one.name.replace("_", "-")
    return name if own.positional else own.flags[-1] if own.flags else f"--{name}"


def _type(hint: Any) -> tuple[Any, bool, tuple[str, ...]]:
    """The type of one value, whether the field holds several, and what can be chosen."""
    arguments = [one for one in get_args(hint) if one is not NoneType]
    if get_origin(hint) is Literal:
        return str, False, get_args(hint)
    if not arguments:
        return hint, False, ()
    kind, many, choices = _type(arguments[0])
    return kind, many or get_origin(hint) in (tuple, Mapping), choices


def _default(one: "Field[Any]") -> Any:
    return one.default if one.default_factory is MISSING else one.default_factory()
