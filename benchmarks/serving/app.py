"""An app as a process on loopback, on two cores, with a memory limit for each of its processes."""

import os
import resource
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil

from apps.monitor.days import nasa_day
from apps.serving.temporary import content_of
from apps.ui.batches import GREETING
from benchmarks.serving import nasa

CORES = 2
MEMORY = 4_000_000_000  # bytes
SECONDS_TO_START = 120
SECONDS_TO_STOP = 60


@dataclass(frozen=True)
class Served:
    """A running app. `temporary`: its TMPDIR. `log`: its output."""

    process: psutil.Process
    address: str
    temporary: Path
    log: Path

    @property
    def alive(self) -> bool:
        """Return True if the app has not ended."""
        return self.process.is_running() and self.process.status() != psutil.STATUS_ZOMBIE

    def files(self) -> list[Path]:
        """Return the files in the temporary folder, except the example that greets visitors."""
        return [path for path in content_of(self.temporary) if path.is_file() and GREETING not in path.parts]

    def memory(self) -> int:
        """Return the resident bytes of all its processes; shared pages count for each."""
        total = 0
        for process in (self.process, *self.process.children(recursive=True)):
            try:
                total += process.memory_info().rss
            except psutil.NoSuchProcess:  # a worker was replaced
                continue
        return total


@contextmanager
def served(app: str, folder: Path, kept_seconds: int) -> Iterator[Served]:
    """Run an app with its files in `folder`, and stop it as a host does."""
    temporary = folder / "temporary"
    temporary.mkdir()
    with nasa.serving(nasa_day()) as interface, (folder / "log").open("wb") as log:
        port = free_port()
        environment = os.environ | {
            "GRADIO_SERVER_PORT": str(port),
            "TMPDIR": str(temporary),
            "DELETE_AFTER_SECONDS": str(kept_seconds),
            "CACHE": str(folder / "cache"),
            "APOD_URL": interface,
        }
        environment.pop("HF_TOKEN", None)
        program = subprocess.Popen([sys.executable, "-m", f"apps.{app}"], env=environment, stdout=log, stderr=log)
        try:
            limit(program.pid)
            address = f"http://127.0.0.1:{port}"
            wait_until_it_serves(program, address)
            yield Served(psutil.Process(program.pid), address, temporary, folder / "log")
        finally:
            program.terminate()
            try:
                program.wait(SECONDS_TO_STOP)
            except subprocess.TimeoutExpired:
                program.kill()
                program.wait()


def limit(process: int) -> None:
    """Limit a starting process and its children to two cores and 4 GB of data each."""
    os.sched_setaffinity(process, sorted(os.sched_getaffinity(0))[:CORES])
    _, hard = resource.prlimit(process, resource.RLIMIT_DATA)
    resource.prlimit(process, resource.RLIMIT_DATA, (MEMORY, hard))


def free_port() -> int:
    """Return a free port."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def wait_until_it_serves(program: subprocess.Popen[bytes], address: str) -> None:
    """Wait until /health answers. Raises RuntimeError if the program ends or takes too long."""
    deadline = time.monotonic() + SECONDS_TO_START
    while program.poll() is None and time.monotonic() < deadline:
        try:
            httpx.get(f"{address}/health", timeout=5).raise_for_status()
            return
        except httpx.HTTPError:
            time.sleep(0.2)
    raise RuntimeError("the app does not serve")
