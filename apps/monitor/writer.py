"""The monitor's writer process, which alone holds the Hub's token: bring the history and its copy there together.

It opens no picture and answers no visitor. What to write, and where, comes from its own environment; the serving
process may only say when.
"""

import ctypes
import sys
from collections.abc import Generator, Mapping
from typing import Any

from apps.monitor import settings
from apps.monitor.history import History
from apps.monitor.hub_history import HubHistory
from apps.serving.jobs import Job, serve
from apps.serving.messages import Update

EXCHANGE = "exchange"

_PR_SET_DUMPABLE = 4  # linux/prctl.h


def prepare() -> tuple[Mapping[str, Job], dict[str, Any]]:
    """Open the history and its copy; there are no facts."""
    given = settings.from_environment()
    assert given.history_repo
    history, hub_history = History(given.history), HubHistory(given.history_repo)

    def exchange() -> Generator[Update, None, dict[str, Any]]:
        yield Update()
        hub_history.exchange(history)
        return {}

    return {EXCHANGE: exchange}, {}


def hide_from_own_user() -> None:
    """Let no other process of the same user read this one's memory and environment, where the system can."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0)


if __name__ == "__main__":
    hide_from_own_user()
    serve(prepare)
