"""Serve the monitor: python -m apps.monitor"""

import os

import uvicorn

from apps.monitor import settings
from apps.monitor.app import App
from upscaler.command import one_sentence_errors


def main() -> None:
    """Serve until stopped."""
    host = os.environ.get("GRADIO_SERVER_NAME", "127.0.0.1")
    port = int(os.environ.get("GRADIO_SERVER_PORT", "7860"))
    with one_sentence_errors():
        server = App(settings.from_environment()).server()
    print(f"The monitor is ready on http://{host}:{port}", flush=True)
    uvicorn.run(server, host=host, port=port, log_level="warning", access_log=False)


if __name__ == "__main__":
    main()
