"""A client process with its own loopback address, honest or hostile, until a given time."""

import os
import random
import socket
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from gradio_client.utils import QueueError

from benchmarks.serving import hostile, pictures

PAUSE = (1.0, 6.0)  # seconds that an honest visitor looks at a result
PATIENCE = 120.0  # seconds
POLL_INTERVAL = 1.0  # seconds
SAYS_NO = {413, 429, 503}  # statuses that refuse a request, with a sentence as the body


@dataclass
class Tally:
    """Outcomes of honest jobs (done, refused with a sentence, failed), attacks by name, and messages of failures."""

    outcomes: Counter[str] = field(default_factory=Counter)
    attacks: Counter[str] = field(default_factory=Counter)
    failures: Counter[str] = field(default_factory=Counter)

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(self.outcomes + other.outcomes, self.attacks + other.attacks, self.failures + other.failures)


def run(number: int, is_hostile: bool, app: str, address: str, until: float) -> Tally:
    """Run one client until the given time. Never raises."""
    os.nice(10)  # the app may have the machine's only cores
    _connect_from(f"127.0.1.{number + 1}")
    random.seed(number)
    tally = Tally()
    if is_hostile:
        _attack(app, address, until, tally)
    else:
        with tempfile.TemporaryDirectory() as folder:
            _visit(Visitor(app, address, Path(folder)), until, tally)
    return tally


def _connect_from(own: str) -> None:
    """Let all connections of this process come from an address; httpx would pass on that it has no wish."""
    connect = socket.create_connection

    def connect_from_own(
        address: Any, timeout: Any = None, source_address: Any = None, **options: Any
    ) -> socket.socket:
        return connect(address, timeout, source_address or (own, 0), **options)

    socket.create_connection = connect_from_own


def _attack(app: str, address: str, until: float, tally: Tally) -> None:
    while time.time() < until:
        attack = random.choice(hostile.ATTACKS)
        tally.attacks[attack.__name__] += 1
        try:
            attack(hostile.Target(app, address, until))
        except (OSError, httpx.HTTPError, httpx.InvalidURL, ValueError, LookupError):
            time.sleep(0.2)  # refused: the next one


def _visit(visitor: "Visitor", until: float, tally: Tally) -> None:
    while time.time() < until:
        outcome, why = outcome_of(random.choice(visitor.habits))
        tally.outcomes[outcome] += 1
        if outcome == "failed":
            tally.failures[why] += 1
        time.sleep(random.uniform(*PAUSE))


def outcome_of(habit: Callable[[], object]) -> tuple[str, str]:
    """Act as an honest visitor once; return the outcome and the message."""
    try:
        habit()
    except (AppError, QueueError) as refusal:
        message = str(refusal)
        return ("refused" if message else "failed"), message[:120]
    except httpx.HTTPStatusError as error:
        status = error.response.status_code
        return ("refused" if status in SAYS_NO else "failed"), f"status {status}"
    except Exception as error:  # any error is a result of the measurement
        return "failed", f"{type(error).__name__}: {error}"[:120]
    return "done", ""


class Visitor:
    """An honest visitor, who loads the page and /health, doubles photos or asks for today's picture."""

    def __init__(self, app: str, address: str, folder: Path) -> None:
        self._address, self._folder = address, folder
        self._client: Client | None = None
        jobs = [self.double, self.upscale] if app == "ui" else [self.today, self.today]
        self.habits: list[Callable[[], object]] = [*jobs, self.page, self.health]

    def page(self) -> None:
        """Load the page and its configuration."""
        for path in ("/", "/config"):
            httpx.get(self._address + path, timeout=PATIENCE).raise_for_status()

    def health(self) -> None:
        """Request /health."""
        httpx.get(f"{self._address}/health", timeout=PATIENCE).raise_for_status()

    def double(self) -> None:
        """Double a small photo in one of several formats."""
        suffix = random.choice(list(pictures.FORMATS))
        photo = self._folder / f"photo.{suffix}"
        photo.write_bytes(pictures.photo(suffix))
        doubled = self._connected().predict(handle_file(photo), api_name="/double")
        Path(doubled).unlink()

    def upscale(self) -> None:
        """Upscale a small photo as the page does: follow it, compare, download and delete."""
        suffix = random.choice(list(pictures.FORMATS))
        with httpx.Client(base_url=self._address, timeout=PATIENCE) as client:
            batch = f"/work/{_sent(client, 'POST', '/work', json={'choices': {'model': 'fast'}})['id']}"
            _sent(client, "PUT", batch, params={"name": f"photo.{suffix}"}, content=pictures.photo(suffix))
            while (state := _sent(client, "GET", batch))["pending"]:
                time.sleep(POLL_INTERVAL)
            if state["pictures"][0]["state"] != "done":
                raise ValueError(state["pictures"][0]["sentence"])
            _sent(client, "POST", f"{batch}/0/comparison")
            client.get(f"{batch}/0/result").raise_for_status()
            client.delete(batch).raise_for_status()

    def today(self) -> None:
        """Request today's picture."""
        if not self._connected().predict(api_name="/today")["file"]:
            raise ValueError("there is no picture")

    def _connected(self) -> Client:
        if self._client is None:
            timeout = {"timeout": PATIENCE}
            self._client = Client(self._address, verbose=False, download_files=self._folder, httpx_kwargs=timeout)
        return self._client


def _sent(client: httpx.Client, method: str, path: str, **content: Any) -> Any:
    """Send a request; return the JSON of its answer."""
    answer = client.request(method, path, **content)
    answer.raise_for_status()
    return answer.json()
