"""Serve the monitor, or fill its history for the days that are past: python -m apps.monitor [backfill --days 90]"""

import argparse
import logging
from asyncio import CancelledError
from dataclasses import replace

import uvicorn

from apps.monitor import backfill, settings
from apps.monitor.copying import started_writer
from apps.serving.launching import leave_token
from upscaler import models
from upscaler.command import one_sentence_errors

WRITER = "apps.monitor.writer"
SECONDS_TO_STOP = 3  # an open page keeps its connection, which would keep a stopped server waiting for ever


def main() -> None:
    """Serve until stopped, or measure the days that are past."""
    parser = argparse.ArgumentParser(prog="python -m apps.monitor", description="Serve the monitor, until stopped.")
    parser.add_argument("--model", help=models.NAMES)
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
    from apps.monitor.app import App  # takes seconds, which a program that is started anew spends once

    app = App(given, started_writer())
    print(f"The monitor is ready on http://{given.host}:{given.port}", flush=True)
    logging.getLogger("uvicorn.error").addFilter(is_no_cut_connection)
    try:
        uvicorn.run(
            app.server(),
            host=given.host,
            port=given.port,
            log_level="warning",
            access_log=False,
            timeout_graceful_shutdown=SECONDS_TO_STOP,
        )
    finally:
        app.close()


def is_no_cut_connection(record: logging.LogRecord) -> bool:
    """False for the traceback of a connection that was cut because the server was stopped: that is no error."""
    return not record.exc_info or record.exc_info[0] is not CancelledError


def _positive(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of days; give 1 or more")
    return int(text)


if __name__ == "__main__":
    main()
