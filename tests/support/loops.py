"""Asynchronous code in tests, each in a thread with a loop: another test's browser may run one in the test's thread."""

import asyncio
from collections.abc import AsyncIterator, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

T = TypeVar("T")


def result(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine; return its result."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, coroutine).result()


def steps(items: AsyncIterator[T]) -> Iterator[T]:
    """Yield the items, each of which is made when it is asked for."""

    async def following() -> list[T]:
        async for item in items:
            return [item]
        return []

    with ThreadPoolExecutor(1) as thread:
        runner = thread.submit(asyncio.Runner).result()
        try:
            while found := thread.submit(runner.run, following()).result():
                yield from found
        finally:
            thread.submit(runner.close).result()
