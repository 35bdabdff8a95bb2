"""Sessions: a visitor who opens many displaces only sessions of their own, and events that failed are removed."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any
from unittest.mock import AsyncMock

import pytest
from fastapi import FastAPI
from starlette.routing import Mount

from apps.serving.admission import SESSIONS_EACH, Admission
from apps.serving.gradio_api import gr


def page() -> Any:
    """The parts of Gradio's page that admission uses, with one cheap function."""
    queue = SimpleNamespace(
        event_ids_to_events={}, pending_messages_per_session=gr.utils.LRUCache(2000), pending_event_ids_session={}
    )
    state = SimpleNamespace(session_data={}, time_last_used={})
    function = SimpleNamespace(_id=0, api_name="cheap", concurrency_id="other")
    return SimpleNamespace(_queue=queue, state_holder=state, fns={0: function})


def visit(gradio: Any, admission: Admission, address: str, session: str) -> None:
    """Start and finish an event, as Gradio keeps it."""
    with admission.admitted(address, session, 0):
        gradio._queue.pending_messages_per_session.setdefault(session, object())
        gradio._queue.pending_event_ids_session.setdefault(session, set())
        gradio.state_holder.session_data[session] = object()


def test_thousands_of_sessions_of_one_visitor_leave_those_of_others() -> None:
    gradio = page()
    admission = Admission(gradio, most_waiting=20, jobs_each=2)
    visit(gradio, admission, "192.0.2.1", "honest")
    for n in range(3000):
        visit(gradio, admission, "192.0.2.2", f"attack-{n}")
    for kept in (
        gradio._queue.pending_messages_per_session,
        gradio._queue.pending_event_ids_session,
        gradio.state_holder.session_data,
    ):
        assert "honest" in kept
        assert "attack-2999" in kept
        assert len(kept) == 1 + SESSIONS_EACH


def test_thousands_of_visitors_are_forgotten_from_the_oldest_on() -> None:
    gradio = page()
    admission = Admission(gradio, most_waiting=20, jobs_each=2)
    for n in range(2000):
        visit(gradio, admission, f"192.0.{n // 250}.{n % 250}", f"session-{n}")
    kept = gradio._queue.pending_messages_per_session
    assert "session-1999" in kept
    assert "session-0" not in kept
    assert len(kept) == 1000


def test_messages_of_unfinished_events_stay() -> None:
    gradio = page()
    admission = Admission(gradio, most_waiting=20, jobs_each=2)
    request = SimpleNamespace(client=SimpleNamespace(host="192.0.2.2"))
    running = SimpleNamespace(session_hash="attack-0", request=request, concurrency_id="other", alive=True)
    gradio._queue.event_ids_to_events["event"] = running
    for n in range(2 * SESSIONS_EACH):
        visit(gradio, admission, "192.0.2.2", f"attack-{n}")
    assert "attack-0" in gradio._queue.pending_messages_per_session
    assert "attack-1" not in gradio._queue.pending_messages_per_session


def test_sessions_are_dropped_from_the_app_that_is_mounted() -> None:
    async def visit_often() -> Any:
        with gr.Blocks() as blocks:
            gr.Button().click(lambda: None)
        server = gr.mount_gradio_app(FastAPI(), blocks, path="/")
        mounted: Any = next(route.app for route in server.routes if isinstance(route, Mount))
        states = mounted.state_holder
        admission = Admission(blocks, most_waiting=20, jobs_each=2)
        for n in range(2 * SESSIONS_EACH):
            with admission.admitted("192.0.2.1", f"session-{n}", 0):
                assert states[f"session-{n}"]  # as Gradio does for an event
        return states

    with ThreadPoolExecutor(1) as thread:  # Gradio's queue wants a loop
        states = thread.submit(asyncio.run, visit_often()).result()
    newest = {f"session-{n}" for n in range(SESSIONS_EACH, 2 * SESSIONS_EACH)}
    assert states.session_data.keys() == states.time_last_used.keys() == newest


@pytest.mark.parametrize("place", ["waiting", "running", "lost", "lost and listened to"])
def test_only_events_that_gradio_lost_in_a_failure_are_removed(place: str) -> None:
    gradio = page()
    admission = Admission(gradio, most_waiting=20, jobs_each=2)
    request = SimpleNamespace(client=SimpleNamespace(host="192.0.2.1"))
    event = SimpleNamespace(
        _id="event", session_hash="x", request=request, concurrency_id="other", alive=True, enqueue_time=-1e9
    )
    queue = gradio._queue
    queue.event_ids_to_events["event"] = event
    queue.pending_messages_per_session["x"], queue.pending_event_ids_session["x"] = asyncio.Queue(), {"event"}
    queue.active_jobs = [None, [event] if place == "running" else None]
    queue.event_queue_per_concurrency_id = {"other": SimpleNamespace(queue=[event] if place == "waiting" else [])}
    queue.clean_events = AsyncMock()
    listening = nullcontext() if place == "lost" else admission.listening("x")
    with listening, ThreadPoolExecutor(1) as thread:  # another test's browser may run a loop in this thread
        thread.submit(asyncio.run, admission.remove_abandoned()).result()
    is_lost = place.startswith("lost")
    assert bool(queue.event_ids_to_events) is not is_lost
    messages = queue.pending_messages_per_session["x"]
    assert messages.qsize() == is_lost
    assert not is_lost or "ended unexpectedly" in messages.get_nowait().output["error"]
