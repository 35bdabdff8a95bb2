"""Admission control for Gradio's queue: limits per visitor and in total, and removal of abandoned events."""

import asyncio
import time
from collections import Counter, OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from apps.serving.gradio_api import ProcessCompletedMessage
from apps.serving.refusal import RequestRefusedError

JOBS = "cores"  # Gradio's concurrency id of long-running events
EVENTS_EACH = 30  # unanswered events per visitor
SESSIONS_EACH = 30  # sessions per visitor whose state is kept
EVENTS = 500  # unanswered events of all visitors
_MOST_ADDRESSES = 1_000  # addresses whose sessions are counted
_LISTEN_TIMEOUT = 15.0  # seconds in which a client must start to read an event's messages
_CLEAN_INTERVAL = 5.0  # seconds


def check_own(jobs: int, most: int) -> None:
    """Raise RequestRefusedError if a visitor has as many jobs as are allowed."""
    if jobs >= most:
        limit = "a job" if most == 1 else f"{most} jobs"
        raise RequestRefusedError(429, f"you have {limit} running or waiting; wait until one is done")


def check_all(jobs: int, most_waiting: int) -> None:
    """Raise RequestRefusedError if one of all jobs runs and as many wait as are allowed."""
    if jobs > most_waiting:
        raise RequestRefusedError(503, "too many people are waiting; try again in a minute")


class Admission:
    """Admission control for a page's queue; removes events whose visitor has left."""

    def __init__(self, page: Any, most_waiting: int, jobs_each: int) -> None:  # gr.Blocks, which comes without types
        """Set the limits: `most_waiting` queued jobs of all visitors, `jobs_each` running or queued per visitor."""
        self._page = page
        # Gradio drops the messages of the oldest session beyond 2,000, in use or not: here each visitor's own go first
        page._queue.pending_messages_per_session.max_size = _MOST_ADDRESSES * SESSIONS_EACH
        self._most_waiting, self._jobs_each = most_waiting, jobs_each
        self._arriving: Counter[str] = Counter()  # events between guard and queue, by address
        self._arriving_jobs: Counter[str] = Counter()
        self._sessions: OrderedDict[str, OrderedDict[str, None]] = OrderedDict()  # by address, the newest last
        self._listening: Counter[str] = Counter()  # open streams of messages, by session

    @contextmanager
    def admitted(self, address: str, session: str, function: object) -> Iterator[None]:
        """Admit an event of a visitor's session, and count it while the block runs.

        `function`: its index or API name. Raises RequestRefusedError if it does not exist or there are too many events.
        """
        is_job = self._is_job(function)
        self._limit_sessions(address, session)
        events = list(self._page._queue.event_ids_to_events.values())
        visitor_events = [event for event in events if event.request.client.host == address]
        if (
            len(visitor_events) + self._arriving[address] >= EVENTS_EACH
            or len(events) + self._arriving.total() >= EVENTS
        ):
            raise RequestRefusedError(503, "too many requests at once; wait until some are done")
        if is_job:
            self._check_jobs(events, visitor_events, address)
        self._arriving[address] += 1
        self._arriving_jobs[address] += is_job
        try:
            yield
        finally:
            self._arriving[address] -= 1
            self._arriving_jobs[address] -= is_job
            _remove_zeros(self._arriving, self._arriving_jobs)

    def _check_jobs(self, events: list[Any], visitor_events: list[Any], address: str) -> None:
        check_own(sum(map(_is_long, visitor_events)) + self._arriving_jobs[address], self._jobs_each)
        check_all(sum(map(_is_long, events)) + self._arriving_jobs.total(), self._most_waiting)

    def _is_job(self, function: object) -> bool:
        """Return True if a function runs as a job. `function` must match by type: Gradio also accepts "7" for 7."""
        for fn in self._page.fns.values():
            if type(function) in (int, str) and function in (fn._id, fn.api_name):
                return bool(fn.concurrency_id == JOBS)
        raise RequestRefusedError(404, "this function does not exist; see the API page")

    def _limit_sessions(self, address: str, session: str) -> None:
        """Drop the state of a visitor's oldest session at the limit, so that other visitors' sessions are kept."""
        sessions = self._sessions.setdefault(address, OrderedDict())
        sessions[session] = None
        sessions.move_to_end(session)
        self._sessions.move_to_end(address)
        if len(sessions) > SESSIONS_EACH:
            self._forget(sessions.popitem(last=False)[0])
        if len(self._sessions) > _MOST_ADDRESSES:
            for oldest in self._sessions.popitem(last=False)[1]:
                self._forget(oldest)

    def _forget(self, session: str) -> None:
        """Drop the state and the messages of a session; those of one with unfinished events stay with the queue."""
        queue, states = self._page._queue, self._page.state_holder  # `page.app` is not the app that is mounted
        states.session_data.pop(session, None)
        states.time_last_used.pop(session, None)
        if not any(event.session_hash == session for event in queue.event_ids_to_events.values()):
            queue.pending_messages_per_session.pop(session, None)
            queue.pending_event_ids_session.pop(session, None)

    @contextmanager
    def listening(self, session: str) -> Iterator[None]:
        """Count a session as listening to its messages while the block runs.

        Raises RequestRefusedError if it has none: Gradio would find that out in the middle of its response.
        """
        if session not in self._page._queue.pending_messages_per_session:
            raise RequestRefusedError(404, "this work does not exist, or its result was fetched; start it again")
        self._listening[session] += 1
        try:
            yield
        finally:
            self._listening[session] -= 1
            _remove_zeros(self._listening)

    def session_of(self, event_id: str) -> str:
        """Return the session that started an event, or the event's id if it has no session."""
        sessions = self._page._queue.pending_event_ids_session.items()
        return next((session for session, events in sessions if event_id in events), event_id)

    def is_waited_for(self, session: str | None) -> bool:
        """Return True if a client still waits for an event of the session."""
        events = list(self._page._queue.event_ids_to_events.values())
        return any(event.alive for event in events if event.session_hash == session)

    async def keep_cleaning(self) -> None:
        """Remove abandoned events for as long as the app runs."""
        while True:
            await asyncio.sleep(_CLEAN_INTERVAL)
            await self.remove_abandoned()

    async def remove_abandoned(self) -> None:
        """Remove events, waiting or running, to which no client listens, and those that Gradio lost in a failure."""
        queue = self._page._queue
        for event in list(queue.event_ids_to_events.values()):
            if time.monotonic() - event.enqueue_time < _LISTEN_TIMEOUT:
                continue
            if self._is_lost(event):
                queue.event_ids_to_events.pop(event._id, None)
                self._complete(event, "the work ended unexpectedly; start it again")
            elif event.alive and not self._listening[event.session_hash]:
                await queue.clean_events(event_id=event._id)
                self._complete(event, "nobody listened for the result, so the work was stopped; start it again")

    def _is_lost(self, event: Any) -> bool:
        """Return True if an event neither waits nor runs."""
        queue = self._page._queue
        running = [one for events in queue.active_jobs for one in events or ()]
        return event not in running and event not in queue.event_queue_per_concurrency_id[event.concurrency_id].queue

    def _complete(self, event: Any, sentence: str) -> None:
        """Complete an event with an error; otherwise the session's next stream would wait for it for ever."""
        queue = self._page._queue
        messages = queue.pending_messages_per_session.get(event.session_hash)
        if messages and event._id in queue.pending_event_ids_session.get(event.session_hash, ()):
            messages.put_nowait(ProcessCompletedMessage(event_id=event._id, output={"error": sentence}, success=False))


def _is_long(event: Any) -> bool:
    return bool(event.concurrency_id == JOBS)


def _remove_zeros(*counters: Counter[str]) -> None:
    for counter in counters:
        for key in [key for key, count in counter.items() if not count]:
            del counter[key]
