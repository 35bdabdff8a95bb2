"""The corpus benchmark: refusals in one sentence are told from crashes and hangs."""

from pathlib import Path

import pytest
from PIL import Image

from benchmarks import corpus
from benchmarks.corpus import CorpusConfig, Outcome, ending
from support.pictures import photo_like

REFUSED = "warning: odd\nerror: /a/b 3.png has 12x34 pixels; make it smaller\n"
CRASHED = "Traceback (most recent call last):\n  File x\nTypeError: odd\nerror: later\n"


@pytest.mark.parametrize(
    ("returned", "stderr", "outcome", "reason"),
    [
        (0, "warning: odd", Outcome.UPSCALED, ""),
        (1, REFUSED, Outcome.REFUSED, "FILE has NxN pixels; make it smaller"),
        (1, CRASHED, Outcome.CRASHED, "error: later"),
        (1, "", Outcome.CRASHED, "exit code 1"),
        (-11, "", Outcome.CRASHED, "exit code -11"),
        (1, "error: one\nerror: two", Outcome.CRASHED, "error: two"),
    ],
)
def test_endings_are_told_apart(returned: int, stderr: str, outcome: Outcome, reason: str) -> None:
    assert ending(returned, stderr, "/a/b 3.png") == (outcome, reason)


@pytest.mark.slow
def test_each_file_of_a_folder_is_counted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "deeper").mkdir()
    Image.fromarray(photo_like(10, 12)).save(tmp_path / "deeper" / "a.png")
    Image.fromarray(photo_like(10, 12)).save(tmp_path / "b.jpg")
    (tmp_path / "c.txt").write_text("no picture")
    corpus.run(CorpusConfig(tmp_path))
    assert capsys.readouterr().out.splitlines()[2:] == [
        "| upscaled | 2 |  |",
        "| refused | 1 | FILE is not a readable picture; give a JPEG, PNG, WebP, TIFF, BMP, GIF, AVIF or JPEG N |",
    ]
    monkeypatch.setattr(corpus, "SECONDS", 0.01)
    corpus.run(CorpusConfig(tmp_path / "deeper"))
    assert f"hung: {tmp_path / 'deeper' / 'a.png'}" in capsys.readouterr().out
