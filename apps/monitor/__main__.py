"""Serve the monitor, or fill its history for the days that are past: python -m apps.monitor [backfill --days 90]"""

import argparse
from contextlib import closing
from dataclasses import replace

from apps.monitor import backfill, settings
from apps.monitor.copying import started_writer
from apps.serving.launching import leave_token
from apps.serving.temporary import temporary_folder
from upscaler.command import one_sentence_errors
from upscaler.model import find

WRITER = "apps.monitor.writer"


def main() -> None:
    """Serve until stopped, or measure the days that are past."""
    parser = argparse.ArgumentParser(prog="python -m apps.monitor", description="Serve the monitor, until stopped.")
    parser.add_argument("--model", help=find.NAMES)
    commands = parser.add_subparsers(dest="command", metavar="[backfill]")
    filling = commands.add_parser("backfill", help="measure the days that are past, and keep no pictures")
    filling.add_argument("--days", type=_positive, default=90, help="how many, today among them (default: 90)")
    asked = parser.parse_args()
    with one_sentence_errors():
        given = settings.from_environment()
        given = replace(given, model=asked.model or given.model)
        if asked.command == "backfill":
            backfill.run(given, asked.days)
        else:
            leave_token([given.model], keeper=WRITER if given.history_repo else None)
            serve(given)


def serve(given: settings.Settings) -> None:
    """Serve the page. Raises ModelError or HistoryError if the app cannot start."""
    with temporary_folder(given.serving.delete_after_seconds) as folder:
        from apps.monitor.app import App  # Gradio takes the place of temporary files when it is imported
        from apps.serving.serve import run

        with closing(App(given, folder, started_writer())) as app:
            print(f"The monitor is ready on http://{given.serving.host}:{given.serving.port}", flush=True)
            run(app.server(), given.serving)


def _positive(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of days; give 1 or more")
    return int(text)


if __name__ == "__main__":
    main()
