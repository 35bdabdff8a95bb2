"""Serve the web UI: python -m apps.ui"""

import argparse
from contextlib import closing
from dataclasses import replace

from apps.serving.launching import leave_token
from apps.serving.temporary import temporary_folder
from apps.ui import settings
from upscaler.command import one_sentence_errors
from upscaler.model import find


def main() -> None:
    """Serve until stopped."""
    parser = argparse.ArgumentParser(prog="python -m apps.ui", description="Serve the web UI, until stopped.")
    parser.add_argument("--model", help=f"{find.NAMES}; or several, with commas")
    model = parser.parse_args().model
    with one_sentence_errors():
        given = settings.from_environment()
        given = replace(given, models=settings.named(model)) if model else given
        leave_token(given.models)
        with temporary_folder(given.serving.delete_after_seconds) as folder:
            from apps.serving.serve import run  # Gradio takes the place of temporary files when it is imported
            from apps.ui.app import App

            with closing(App(given, folder)) as app:
                print(f"Double Resolution is ready on http://{given.serving.host}:{given.serving.port}", flush=True)
                run(app.server(), given.serving)


if __name__ == "__main__":
    main()
