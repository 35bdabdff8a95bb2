"""Both apps under load: mixed honest and hostile traffic from 50 clients on loopback, on two cores and 4 GB.

Each client is a process with its own loopback address, so that limits per address are met as on a network.
"""

import multiprocessing
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from benchmarks.serving import clients, report
from benchmarks.serving.app import Served, served
from benchmarks.serving.clients import Tally
from benchmarks.serving.watch import Watch

APPS = ("ui", "monitor")
CLIENTS = 50
HOSTILE = 20  # of them
KEPT_SECONDS = 60  # the web UI's limit for uploads and results; then nothing may be left


def main(minutes: float) -> None:
    """Print the table. `minutes`: the duration of the traffic to each app."""
    columns = [measure(app, 60 * minutes) for app in APPS]
    print(report.table(dict(zip(APPS, columns, strict=True))))


def measure(app: str, seconds: float) -> report.Column:
    """Serve an app, send it traffic for some seconds, and measure what is left."""
    with tempfile.TemporaryDirectory(prefix="benchmark_") as name:
        with served(app, Path(name), KEPT_SECONDS) as running:
            with Watch(running) as watch:
                tally = traffic(app, running.address, seconds)
            survived = running.alive
            left = files_left(running) if survived else running.files()
        return report.column(watch, tally, survived, left, running.files(), running.log.stat().st_size)


def traffic(app: str, address: str, seconds: float) -> Tally:
    """Send traffic from all clients at once; return the sum of their tallies."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([clients.__name__])  # or each client would import Gradio's client again
    until = time.time() + seconds
    with ProcessPoolExecutor(CLIENTS, mp_context=context) as pool:
        work = [pool.submit(clients.run, n, n < HOSTILE, app, address, until) for n in range(CLIENTS)]
        return sum((done.result() for done in work), Tally())


def files_left(running: Served) -> list[Path]:
    """Return the temporary files that remain after twice their time limit."""
    deadline = time.monotonic() + 2 * KEPT_SECONDS
    while (left := running.files()) and time.monotonic() < deadline:
        time.sleep(1)
    return left
