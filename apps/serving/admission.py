"""Admission to Gradio's queue: a few jobs for each visitor, a bounded number in all, and none that nobody waits for."""

import asyncio
import time
from collections import Counter, OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from gradio.server_messages import ProcessCompletedMessage

from apps.serving.refusal import RequestRefusedError

JOBS = "cores"  # Gradio's concurrency id of what takes long
EVENTS_EACH = 30  # clicks of one visitor that are not answered yet
SESSIONS_EACH = 30  # of one visitor, whose state is kept
EVENTS = 500  # of all visitors
_MOST_ADDRESSES = 1_000  # whose sessions are counted
_TO_LISTEN = 15.0  # seconds within which somebody must read the messages of what he has started
_BETWEEN_LOOKS = 5.0  # seconds


class Admission:
    """Decides which events enter the queue of a page, and removes those whose visitor has gone."""

    def __init__(self, page: Any, most_waiting: int, jobs_each: int) -> None:  # gr.Blocks, which comes without types
        """`most_waiting`: jobs of all visitors that wait; `jobs_each`: of one visitor, running or waiting."""
        self._page = page
        self._most_waiting, self._jobs_each = most_waiting, jobs_each
        self._arriving: Counter[str] = Counter()  # events that pass the guard just now, by address
        self._arriving_jobs: Counter[str] = Counter()
        self._sessions: OrderedDict[str, OrderedDict[str, None]] = OrderedDict()  # by address, the newest last
        self._listening: Counter[str] = Counter()  # open streams of messages, by session

    @contextmanager
    def admitted(self, address: str, session: str, function: object) -> Iterator[None]:
        """Let an event of a visitor's session pass while the block runs.

        `function`: its index or API name. Raises RequestRefusedError if there is none, or there are too many events.
        """
        is_job = self._is_job(function)
        self._keep_few_sessions(address, session)
        events = list(self._page._queue.event_ids_to_events.values())
        own = [event for event in events if event.request.client.host == address]
        if len(own) + self._arriving[address] >= EVENTS_EACH or len(events) + self._arriving.total() >= EVENTS:
            raise RequestRefusedError(503, "too much is asked for at once; wait until something is done")
        if is_job:
            self._check_jobs(events, own, address)
        self._arriving[address] += 1
        self._arriving_jobs[address] += is_job
        try:
            yield
        finally:
            self._arriving[address] -= 1
            self._arriving_jobs[address] -= is_job
            _forget_zeros(self._arriving, self._arriving_jobs)

    def _check_jobs(self, events: list[Any], own: list[Any], address: str) -> None:
        if sum(map(_is_long, own)) + self._arriving_jobs[address] >= self._jobs_each:
            raise RequestRefusedError(
                429, f"you have {self._jobs_each} jobs in work or waiting; wait until one is done"
            )
        if sum(map(_is_long, events)) + self._arriving_jobs.total() > self._most_waiting:  # one is in work
            raise RequestRefusedError(503, "too many people are waiting; try again in a minute")

    def _is_job(self, function: object) -> bool:
        """Return True if a function takes long; its index is a number, for Gradio takes "7" for 7 as well."""
        for fn in self._page.fns.values():
            if type(function) in (int, str) and function in (fn._id, fn.api_name):
                return bool(fn.concurrency_id == JOBS)
        raise RequestRefusedError(404, "there is no such function")

    def _keep_few_sessions(self, address: str, session: str) -> None:
        """Forget the state of a visitor's oldest session if there are many, before those of other visitors go."""
        sessions = self._sessions.setdefault(address, OrderedDict())
        sessions[session] = None
        sessions.move_to_end(session)
        self._sessions.move_to_end(address)
        if len(sessions) > SESSIONS_EACH:
            oldest, _ = sessions.popitem(last=False)
            self._page.app.state_holder.session_data.pop(oldest, None)
        if len(self._sessions) > _MOST_ADDRESSES:
            self._sessions.popitem(last=False)

    @contextmanager
    def listening(self, session: str) -> Iterator[None]:
        """Count a stream of a session's messages as read while the block runs."""
        self._listening[session] += 1
        try:
            yield
        finally:
            self._listening[session] -= 1
            _forget_zeros(self._listening)

    def session_of(self, event_id: str) -> str:
        """Find the session that started an event; an event without one is its own."""
        event = self._page._queue.event_ids_to_events.get(event_id)
        return event.session_hash if event else event_id

    def is_waited_for(self, session: str | None) -> bool:
        """Return True if somebody still waits for what a session has started."""
        events = list(self._page._queue.event_ids_to_events.values())
        return any(event.alive for event in events if event.session_hash == session)

    async def keep_dropping(self) -> None:
        """Drop, for as long as the app runs, the events that nobody listens to."""
        while True:
            await asyncio.sleep(_BETWEEN_LOOKS)
            await self.drop()

    async def drop(self) -> None:
        """Drop the events that nobody listens to, waiting or running."""
        queue = self._page._queue
        for event in list(queue.event_ids_to_events.values()):
            is_new = time.monotonic() - event.enqueue_time < _TO_LISTEN
            if event.alive and not (is_new or self._listening[event.session_hash]):
                await queue.clean_events(event_id=event._id)
                self._say_dropped(event)

    def _say_dropped(self, event: Any) -> None:
        """End an event for its session: else the next stream that it opens would wait for this event for ever."""
        if messages := self._page._queue.pending_messages_per_session.get(event.session_hash):
            sentence = "nobody listened for the result, so the work was stopped; start it again"
            messages.put_nowait(ProcessCompletedMessage(event_id=event._id, output={"error": sentence}, success=False))


def _is_long(event: Any) -> bool:
    return bool(event.concurrency_id == JOBS)


def _forget_zeros(*counters: Counter[str]) -> None:
    for counter in counters:
        for key in [key for key, count in counter.items() if not count]:
            del counter[key]
