"""Serve the monitor, or fill its history: python -m apps.monitor [backfill --days 90]"""

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass

from upscaler.model import find
from upscaler.options import check_limits, option, same
from upscaler.program import Command, run_command

WRITER = "apps.monitor.writer"


@dataclass(frozen=True)
class ServeConfig:
    """Options of the command line; the environment sets the rest."""

    model: str = option(find.NAMES, default_factory=find.wanted)


@dataclass(frozen=True)
class BackfillConfig:
    """Days to measure. Raises OptionError if there are none."""

    days: int = option("days to measure, today included", default=90, least=1)
    model: str = same(ServeConfig, "model")

    def __post_init__(self) -> None:
        check_limits(self)


def main(arguments: Sequence[str] | None = None, program: str = "python -m apps.monitor") -> None:
    """Run the command line."""
    run_command(program, COMMANDS, arguments)


def serve(config: ServeConfig) -> None:
    """Serve the page. Raises ModelError, HistoryError, SettingError or OutdatedError if the app cannot start."""
    from apps.monitor import settings
    from apps.monitor.copying import started_writer
    from apps.serving import floors
    from apps.serving.launching import leave_token
    from apps.serving.temporary import temporary_folder

    floors.check()
    given = settings.from_environment(config.model)
    leave_token([given.model], keeper=WRITER if given.history_repo else None)
    with temporary_folder(given.serving.delete_after_seconds) as folder:
        from apps.monitor.app import App  # Gradio takes the place of temporary files when it is imported
        from apps.serving.listening import taken_address
        from apps.serving.serve import run

        with closing(taken_address(given.serving)) as address, closing(App(given, folder, started_writer())) as app:
            run(app.server(), "The monitor", address, given.serving)


def fill(config: BackfillConfig) -> None:
    """Measure past days."""
    from apps.monitor import backfill, settings

    backfill.run(settings.from_environment(config.model), config.days)


COMMANDS = (
    Command("", "serve the monitor, until stopped", ServeConfig, serve),
    Command("backfill", "measure past days, without keeping their pictures", BackfillConfig, fill),
)

if __name__ == "__main__":
    main()
