"""Serve the web UI: python -m apps.ui"""

import uvicorn

from apps.ui import settings
from apps.ui.app import App
from upscaler.command import one_sentence_errors


def main() -> None:
    """Serve until stopped."""
    given = settings.from_environment()
    with one_sentence_errors():
        server = App(given).server()
    print(f"Double Resolution is ready on http://{given.host}:{given.port}", flush=True)
    uvicorn.run(server, host=given.host, port=given.port, log_level="warning", access_log=False)


if __name__ == "__main__":
    main()
