"""Serve the web UI: python -m apps.ui"""

import argparse
from dataclasses import replace

import uvicorn

from apps.ui import settings
from apps.ui.app import App
from upscaler.command import one_sentence_errors

SECONDS_TO_STOP = 3  # an open page keeps its connection, which would keep a stopped server waiting for ever


def main() -> None:
    """Serve until stopped."""
    parser = argparse.ArgumentParser(prog="python -m apps.ui", description="Serve the web UI, until stopped.")
    given = settings.from_environment()
    parser.add_argument(
        "--model", help="bundled, a folder, or user/name[@revision] on the Hub; or several, with commas"
    )
    if model := parser.parse_args().model:
        given = replace(given, models=settings.named(model))
    with one_sentence_errors():
        server = App(given).server()
    print(f"Double Resolution is ready on http://{given.host}:{given.port}", flush=True)
    uvicorn.run(
        server,
        host=given.host,
        port=given.port,
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=SECONDS_TO_STOP,
    )


if __name__ == "__main__":
    main()
