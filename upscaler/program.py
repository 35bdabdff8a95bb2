"""Programs: their commands, each with a config and what runs it. Every `python -m` starts here."""

import argparse
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Generic, TypeVar

from upscaler import saved
from upscaler.arguments import add_options, check_known, from_arguments
from upscaler.command import one_sentence_errors
from upscaler.saved import SavedConfig
from upscaler.streams import for_any_name

Config = TypeVar("Config")


@dataclass(frozen=True)
class Command(Generic[Config]):
    """A command, with its options in `config`, which `run` receives. `name`: "" for the one that needs no name.

    `only`: the fields of the config whose options it has; all if empty. `repeatable`: --config takes saved configs.
    """

    name: str
    help: str
    config: type[Config]
    run: Callable[[Config], object]
    only: tuple[str, ...] = ()
    repeatable: bool = False

    def main(self, arguments: Sequence[str], program: str, others: str = "") -> None:
        """Read the arguments and run. others: the program's other commands, for the help."""
        with one_sentence_errors():
            self.run(self.parse(arguments, program, others))

    def parse(self, arguments: Sequence[str], program: str = "", others: str = "") -> Config:
        """Read the arguments. Raises OptionError, and what the config raises."""
        parser = _parser(program, f"{self.help[0].upper()}{self.help[1:]}.", others)
        before = self._saved(parser, arguments) if self.repeatable else {}
        check_known(self.config, before)
        add_options(parser, self.config, self.only, require=not before)
        return from_arguments(self.config, parser.parse_args(arguments), self.only, before)

    def _saved(self, parser: argparse.ArgumentParser, arguments: Sequence[str]) -> dict[str, Any]:
        """Read the file after --config, before the other options, which it may make unnecessary."""
        early = argparse.ArgumentParser(parser.prog, add_help=False, allow_abbrev=False)
        for one in (early, parser):
            add_options(one, SavedConfig)
        file = from_arguments(SavedConfig, early.parse_known_args(arguments)[0]).config
        return saved.read(file) if file else {}


@dataclass(frozen=True)
class Program:
    """A program inside another one, imported when it is asked for. `module`: has a `main`, as each `__main__` has."""

    name: str
    help: str
    module: str

    def main(self, arguments: Sequence[str], program: str, others: str = "") -> None:
        """Run it; its own help names its commands."""
        with one_sentence_errors():
            import_module(self.module).main(arguments, program)


def run_command(program: str, commands: Iterable[Command[Any] | Program], arguments: Sequence[str] | None) -> None:
    """Run the command whose name comes first, or the one without a name; arguments: None for those of the process."""
    with for_any_name():
        _run(program, commands, arguments)


def _run(program: str, commands: Iterable[Command[Any] | Program], arguments: Sequence[str] | None) -> None:
    given = list(sys.argv[1:] if arguments is None else arguments)
    named = {command.name: command for command in commands if command.name}
    others = "\n".join(f"  {name:12}{command.help}" for name, command in named.items())
    if given and given[0] in named:
        named[given[0]].main(given[1:], f"{program} {given[0]}")
    elif unnamed := [command for command in commands if not command.name]:
        unnamed[0].main(given, program, others)
    else:
        parser = _parser(program, "", others)
        parser.add_argument("command", choices=named, metavar="COMMAND")
        parser.parse_args(given[:1])


def _parser(program: str, description: str, others: str) -> argparse.ArgumentParser:
    return argparse.ArgumentParser(
        prog=program,
        description=description,
        epilog=others and f"commands, each with its own --help:\n{others}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
