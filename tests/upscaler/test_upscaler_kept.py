"""Choices kept in the user's cache: measured once, the first for all, and never another than a candidate."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest

from upscaler.kept import kept

AMONG = ("left", "right")


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's cache, of a test alone."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "double-resolution" / "sides"


def test_processes_that_measure_at_once_agree(cache: Path) -> None:
    count = 8
    together = Barrier(count)

    def choose(n: int) -> str:
        def measure() -> str:
            together.wait(timeout=30)
            return AMONG[n % 2]

        return kept("sides", ["a machine"], AMONG, measure)

    with ThreadPoolExecutor(count) as threads:
        found = set(threads.map(choose, range(count)))
    assert len(found) == 1
    assert found == {kept("sides", ["a machine"], AMONG, lambda: pytest.fail("measured again"))}
    assert len([*cache.iterdir()]) == 1


@pytest.mark.parametrize("content", ["", "{", '"up"', "7", '"left"' + " " * 2000])
def test_a_damaged_choice_is_measured_again_and_replaced(cache: Path, content: str) -> None:
    assert kept("sides", 1, AMONG, lambda: "left") == "left"
    (file,) = cache.iterdir()
    file.write_text(content)
    assert kept("sides", 1, AMONG, lambda: "right") == "right"
    assert kept("sides", 1, AMONG, lambda: "left") == "right"


def test_each_basis_has_its_own_choice() -> None:
    assert [kept("sides", 1, AMONG, lambda: "left"), kept("sides", 2, AMONG, lambda: "right")] == [*AMONG]
    assert [kept("sides", basis, AMONG, lambda: "left") for basis in (1, 2)] == [*AMONG]


def test_where_nothing_can_be_kept_each_process_measures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert [kept("sides", 1, AMONG, lambda: "left"), kept("sides", 1, AMONG, lambda: "right")] == [*AMONG]
