"""Serve the web UI: python -m apps.ui"""

import argparse
import logging
from asyncio import CancelledError
from dataclasses import replace

import uvicorn

from apps.serving.launching import leave_token
from apps.ui import settings
from upscaler import models
from upscaler.command import one_sentence_errors

SECONDS_TO_STOP = 3  # an open page keeps its connection, which would keep a stopped server waiting for ever


def main() -> None:
    """Serve until stopped."""
    parser = argparse.ArgumentParser(prog="python -m apps.ui", description="Serve the web UI, until stopped.")
    given = settings.from_environment()
    parser.add_argument("--model", help=f"{models.NAMES}; or several, with commas")
    if model := parser.parse_args().model:
        given = replace(given, models=settings.named(model))
    with one_sentence_errors():
        leave_token(given.models)
        from apps.ui.app import App  # takes seconds, which a program that is started anew spends once

        app = App(given)
    quieten_logs()
    print(f"Double Resolution is ready on http://{given.host}:{given.port}", flush=True)
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


def quieten_logs() -> None:
    """Keep users' file names, and connections that were cut, out of the logs."""
    logging.getLogger("upscaler").setLevel(logging.ERROR)  # its warnings name files
    logging.getLogger("uvicorn.error").addFilter(is_no_cut_connection)


def is_no_cut_connection(record: logging.LogRecord) -> bool:
    """False for the traceback of a connection that was cut because the server was stopped: that is no error."""
    return not record.exc_info or record.exc_info[0] is not CancelledError


if __name__ == "__main__":
    main()
