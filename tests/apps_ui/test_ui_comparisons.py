"""Comparisons of finished pictures: one task for all who ask, failures, and bounds."""

import asyncio
import shutil
import threading
from collections.abc import Awaitable, Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette

from apps.serving.refusal import RequestRefusedError
from apps.serving.viewer.comparison import Comparison
from apps.serving.worker import WorkerError
from apps.ui import comparisons as comparisons_
from apps.ui.api import Api
from apps.ui.batch import COMPARISON, Picture, State
from apps.ui.comparisons import Comparisons
from apps.ui.runner import Runner
from support.batches import PATIENCE, VISITOR, ScriptedWorker, given, registry

FACTS = Comparison(size=(2, 2), doubled_size=(4, 4), suffix=".jpg", transparent=False, spot=(0.5, 0.5))
MARKUP = "<photo-comparison"
FAILED, TOO_MANY = "this picture cannot be shown here", "too many comparisons are being made"


class Viewer:
    """Comparisons by a function instead of a worker, which wait until they are let go; `jobs` counts those begun."""

    def __init__(self, end: Callable[[], Comparison] = lambda: FACTS) -> None:
        self.jobs, self.may_end = 0, threading.Event()
        self.worker, self._end = ScriptedWorker(self._work), end
        self.comparisons = Comparisons(self.worker)

    def _work(self, _arguments: dict[str, Any]) -> Generator[Any]:
        self.jobs += 1
        assert self.may_end.wait(PATIENCE)
        yield self._end()

    def run(self, test: Callable[[], Awaitable[None]]) -> None:
        """Run a test in a loop of its own: another test's browser may run one in this thread."""

        async def limited() -> None:
            async with asyncio.timeout(10):
                await test()

        with ThreadPoolExecutor(1) as thread:
            try:
                thread.submit(asyncio.run, limited()).result()
            finally:
                self.may_end.set()
                self.comparisons.close()

    async def asked(self, *pictures: Picture, visitor: str = "a") -> list[str | BaseException]:
        """Ask for the comparisons of pictures at the same time; return their markup or refusal."""
        asking = (self.comparisons.of(picture, "x", visitor) for picture in pictures)
        return await asyncio.gather(*asking, return_exceptions=True)


def fail() -> Comparison:
    raise WorkerError("crashed")


def pictures(folder: Path, number: int) -> list[Picture]:
    return [Picture(folder / "a.png", folder / str(n) / "a_2x.png", state=State.DONE) for n in range(number)]


def texts(answers: list[str | BaseException]) -> list[str]:
    return [str(answer) for answer in answers]


def test_all_who_ask_for_a_comparison_share_one_job(tmp_path: Path) -> None:
    viewer, (picture,) = Viewer(), pictures(tmp_path, 1)
    viewer.may_end.set()

    async def ask() -> None:
        for _ in range(2):
            assert all(text.startswith(MARKUP) for text in texts(await viewer.asked(*[picture] * 60)))

    viewer.run(ask)
    assert viewer.jobs == 1


def test_a_failure_is_remembered_and_tried_again_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    viewer, (picture,) = Viewer(fail), pictures(tmp_path, 1)
    viewer.may_end.set()

    async def ask() -> None:
        for _ in range(3):
            assert all(FAILED in text for text in texts(await viewer.asked(*[picture] * 3)))
        assert viewer.jobs == 1
        (other,) = pictures(tmp_path, 1)
        monkeypatch.setattr(comparisons_, "_RETRY_INTERVAL", 0.0)
        for _ in range(2):
            await viewer.asked(other)
            await asyncio.sleep(0.01)
        assert viewer.jobs == 3

    viewer.run(ask)


@pytest.mark.parametrize("is_deleted", [True, False])
def test_tiles_that_are_written_after_a_deletion_are_deleted_too(tmp_path: Path, is_deleted: bool) -> None:
    (picture,) = pictures(tmp_path, 1)
    picture.folder.mkdir()
    picture.target.touch()

    def write_tiles(arguments: dict[str, Any]) -> Generator[Any]:
        if is_deleted:
            shutil.rmtree(picture.folder)
        Path(arguments["folder"]).mkdir(parents=True)
        yield FACTS

    comparisons_.compared(ScriptedWorker(write_tiles), picture, "x")
    assert (picture.folder / COMPARISON).exists() is not is_deleted


def test_a_visitor_and_all_together_wait_for_a_bounded_number(tmp_path: Path) -> None:
    viewer, many = Viewer(), pictures(tmp_path, 70)

    async def ask() -> None:
        asked = [asyncio.create_task(viewer.asked(*many[10 * n : 10 * n + 10], visitor=f"{n}")) for n in range(5)]
        asked.append(asyncio.create_task(viewer.asked(many[0], visitor="4")))  # it is being made
        await asyncio.sleep(0.01)
        refused = [*await viewer.asked(many[60], visitor="another"), *await viewer.asked(many[61], visitor="4")]
        assert all(TOO_MANY in text for text in texts(refused))
        viewer.may_end.set()
        made = [answer for answers in await asyncio.gather(*asked) for answer in answers]
        assert len(made) == 51 and all(text.startswith(MARKUP) for text in texts(made))
        assert all(text.startswith(MARKUP) for text in texts(await viewer.asked(*many[60:])))

    viewer.run(ask)
    assert viewer.jobs == 60


def test_one_visitor_is_refused_before_all_together(tmp_path: Path) -> None:
    viewer, many = Viewer(), pictures(tmp_path, 12)

    async def ask() -> None:
        asked = asyncio.create_task(viewer.asked(*many[:11]))
        await asyncio.sleep(0.01)
        of_another = asyncio.create_task(viewer.asked(many[11], visitor="b"))
        viewer.may_end.set()
        assert [TOO_MANY in text for text in texts(await asked)] == [False] * 10 + [True]
        assert texts(await of_another)[0].startswith(MARKUP)

    viewer.run(ask)


def test_the_page_gets_its_state_while_many_wait_for_a_comparison(tmp_path: Path) -> None:
    viewer, batches = Viewer(), registry(tmp_path)
    batch = given(batches, [tmp_path / "a.png"])
    batch.pictures[0].end(State.DONE)
    api = Api(batches, Runner(viewer.worker, batches, lambda _: None), viewer.comparisons, (), {})
    app = Starlette(
        routes=[route for route, _ in api.routes()],
        exception_handlers={RequestRefusedError: lambda _, refusal: refusal.response},
    )

    async def ask() -> None:
        transport = httpx.ASGITransport(app, client=(VISITOR, 1))
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            asked = [asyncio.create_task(client.post(f"/work/{batch.id}/0/comparison")) for _ in range(60)]
            await asyncio.sleep(0.05)
            state = await client.get(f"/work/{batch.id}")
            assert state.json()["pictures"][0]["state"] == "done"
            assert not any(task.done() for task in asked)
            viewer.may_end.set()
            assert {(await task).json()["markup"][: len(MARKUP)] for task in asked} == {MARKUP}

    viewer.run(ask)
    assert viewer.jobs == 1
