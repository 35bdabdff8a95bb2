"""Serve the web UI: python -m apps.ui"""

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass

from upscaler.model import find
from upscaler.options import option
from upscaler.program import Command, run_command


@dataclass(frozen=True)
class ServeConfig:
    """Options of the command line; the environment sets the rest."""

    model: str = option(f"{find.NAMES}; or several, with commas", default_factory=find.wanted)


def main(arguments: Sequence[str] | None = None, program: str = "python -m apps.ui") -> None:
    """Run the command line."""
    run_command(program, COMMANDS, arguments)


def serve(config: ServeConfig) -> None:
    """Serve the page. Raises ModelError, SettingError or OutdatedError if the app cannot start."""
    from apps.serving import floors
    from apps.serving.launching import leave_token
    from apps.serving.temporary import temporary_folder
    from apps.ui import settings

    floors.check()
    given = settings.from_environment(config.model)
    leave_token(given.models)
    with temporary_folder(given.serving.delete_after_seconds) as folder:
        from apps.serving.listening import taken_address
        from apps.serving.serve import run  # Gradio takes the place of temporary files when it is imported
        from apps.ui.app import App

        with closing(taken_address(given.serving)) as address, closing(App(given, folder)) as app:
            run(app.server(), "Double Resolution", address, given.serving, app.draining)


COMMANDS = (Command("", "serve the web UI, until stopped", ServeConfig, serve),)

if __name__ == "__main__":
    main()
