"""Writer process of the monitor, the only one with the Hub's token: synchronises the history with its copy there.

It opens no pictures and answers no visitors. Its environment defines the history and the repository; the serving
process only triggers the exchange.
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
from upscaler.model import find

EXCHANGE = "exchange"

_PR_SET_DUMPABLE = 4  # linux/prctl.h


def prepare() -> tuple[Mapping[str, Job], dict[str, Any]]:
    """Open the history and its copy; return the jobs, without facts."""
    config = settings.from_environment(find.FAST)  # any model: none is opened here
    assert config.history_repo
    history, hub_history = History(config.history), HubHistory(config.history_repo)

    def exchange() -> Generator[Update, None, dict[str, Any]]:
        yield Update()
        hub_history.exchange(history)
        return {}

    return {EXCHANGE: exchange}, {}


def hide_from_own_user() -> None:
    """Prevent other processes of the user from reading this one's memory and environment; Linux only."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0)


if __name__ == "__main__":
    hide_from_own_user()
    serve(prepare)
