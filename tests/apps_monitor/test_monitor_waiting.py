"""Visitors who wait for a slow NASA, and others, who do not, with the app started by its command."""

import asyncio
import secrets
import time
from pathlib import Path

import httpx
import pytest

from apps.monitor.days import nasa_day
from support.loops import result
from support.models import write_tiny_model
from support.nasa import Nasa
from support.processes import running_app

pytestmark = pytest.mark.slow
TODAY = str(nasa_day())
OLD = "2026-11-21"
SHOW, REFRESH = 0, 1  # functions of the page
WAITING, GREEDY, OTHER = "8.8.4.4", "8.8.8.8", "9.9.9.9"
PROMPT = 5.0  # seconds; machines that run tests may be busy


async def join(client: httpx.AsyncClient, visitor: str, function: int, day: str = "") -> tuple[str, str]:
    """Start an event of the page; return its session and id."""
    session = secrets.token_hex(8)
    body = {"fn_index": function, "session_hash": session, "data": [None], "event_data": {"day": day}}
    answer = await client.post("/gradio_api/queue/join", json=body, headers={"X-Forwarded-For": visitor})
    return session, str(answer.raise_for_status().json()["event_id"])


async def messages(client: httpx.AsyncClient, session: str) -> str:
    """Return all messages of an event, once it has ended."""
    text = ""
    async with client.stream("GET", "/gradio_api/queue/data", params={"session_hash": session}) as answer:
        async for line in answer.aiter_lines():
            text += line
            if "process_completed" in line:
                break
    return text


async def ask(client: httpx.AsyncClient, visitor: str, function: int, day: str = "") -> str:
    session, _ = await join(client, visitor, function, day)
    return await messages(client, session)


async def is_served_promptly(client: httpx.AsyncClient, thumbnail: Path) -> bool:
    began = time.monotonic()
    shown = await ask(client, OTHER, SHOW, OLD)
    file = await client.get(f"/gradio_api/file={thumbnail}")
    assert "A comet" in shown and file.status_code == 200
    return time.monotonic() - began < PROMPT


async def visit(address: str, nasa: Nasa, cache: Path) -> None:
    """Let two visitors wait for a picture 49 times, one of whom cancels once, while another opens a known day."""
    limits = httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(base_url=address, timeout=60, limits=limits) as client:
        await ask(client, OTHER, SHOW, OLD)
        (thumbnail,) = cache.glob("*/thumbnail.webp")
        nasa.held.clear()
        nasa.add(TODAY, "A galaxy")
        session, event = await join(client, WAITING, REFRESH)
        cancelled = asyncio.create_task(messages(client, session))
        while nasa.pictures_asked_for() < 2:
            await asyncio.sleep(0.05)
        events = [(visitor, function) for visitor in (WAITING, GREEDY) for function in [SHOW] * 12 + [REFRESH] * 12]
        waiting = [asyncio.create_task(ask(client, *one)) for one in events]
        await asyncio.sleep(1)
        assert await is_served_promptly(client, thumbnail)
        body = {"session_hash": session, "fn_index": REFRESH, "event_id": event}
        await client.post("/gradio_api/cancel", json=body, timeout=PROMPT)
        await cancelled
        assert await is_served_promptly(client, thumbnail)
        assert not any(task.done() for task in waiting)
        nasa.held.set()
        assert all("A galaxy" in text for text in await asyncio.gather(*waiting))


def test_who_waits_for_nasa_delays_nobody_else(interface: str, nasa: Nasa, tmp_path: Path) -> None:
    nasa.add(OLD, "A comet")
    settings = {
        "DOUBLE_RESOLUTION_MODEL": str(write_tiny_model(tmp_path / "model")),
        "APOD_URL": interface,
        "CACHE": str(tmp_path / "cache"),
        "TMPDIR": str(tmp_path),
        "BEHIND_PROXY": "1",
    }
    with running_app("apps.monitor", settings) as (_, address):
        result(visit(address, nasa, tmp_path / "cache"))
