"""Standard input and output: names of any encoding, and pictures."""

import os
import shlex
import subprocess
import sys
from io import BytesIO, TextIOWrapper
from pathlib import Path
from subprocess import CompletedProcess

import numpy as np
import pytest
import pyvips
from PIL import Image

from support.pictures import photo_like
from upscaler.__main__ import main

ROOT = Path(__file__).parents[2]


class Run:
    """The command line in this process: `code`, `out` and `err` after its last call."""

    code: int | str | None
    out: bytes
    err: bytes

    def __init__(self, model: Path, patch: pytest.MonkeyPatch, capture: pytest.CaptureFixture[bytes]) -> None:
        self._model, self._patch, self._capture = model, patch, capture

    def __call__(self, *arguments: object, given: bytes = b"") -> None:
        self._patch.setattr(sys, "stdin", TextIOWrapper(BytesIO(given), encoding="utf-8"))
        with pytest.raises(SystemExit) as stopped:
            main([*map(str, arguments), "--model", str(self._model)])
        self.code = stopped.value.code
        self.out, self.err = self._capture.readouterr()


@pytest.fixture
def run(tiny_model: Path, monkeypatch: pytest.MonkeyPatch, capsysbinary: pytest.CaptureFixture[bytes]) -> Run:
    return Run(tiny_model, monkeypatch, capsysbinary)


def encoded(format: str) -> bytes:
    """Return a picture of 16x12 pixels as a file."""
    file = BytesIO()
    Image.fromarray(photo_like(12, 16)).save(file, format)
    return file.getvalue()


def opened(content: bytes) -> Image.Image:
    image = Image.open(BytesIO(content))
    assert image.size == (32, 24)
    return image


def upscale(model: Path, *arguments: object, given: bytes = b"", encoding: str = "") -> "CompletedProcess[bytes]":
    """Run the command line in a process."""
    command = [sys.executable, "-m", "upscaler", *map(str, arguments), "--model", str(model)]
    environment = os.environ | {"PYTHONIOENCODING": encoding}
    return subprocess.run(command, input=given, cwd=ROOT, env=environment, capture_output=True, check=False)


@pytest.mark.slow
@pytest.mark.parametrize("encoding", ["cp1252", "ascii", "utf-8"])
def test_names_that_the_output_cannot_encode_are_done(tmp_path: Path, tiny_model: Path, encoding: str) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    names = ["a.png", "b_山.png", os.fsdecode(b"c_\xe9.png"), os.fsdecode("d_山".encode() + b"\xe9.tif")]
    for name in names:
        (folder / name).write_bytes(encoded("TIFF" if name.endswith("tif") else "PNG"))
    (folder / os.fsdecode(b"e_\xe9.png")).write_bytes(b"broken")
    done = upscale(tiny_model, folder, "-o", tmp_path / "out", encoding=f"{encoding}:strict")
    assert done.returncode == 1
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == names
    lines = done.stdout.splitlines()
    assert len(lines) == len(names)
    assert lines[2] == os.fsencode(tmp_path / "out" / names[2])
    assert (lines[1] == os.fsencode(tmp_path / "out" / names[1])) == (encoding == "utf-8")
    assert b"Traceback" not in done.stderr
    assert b"4 upscaled, 1 passed over: " in done.stderr


def test_a_pipe_gives_and_takes_a_picture(tiny_model: Path) -> None:
    done = upscale(tiny_model, "-", given=encoded("PNG"))
    assert (done.returncode, done.stderr) == (0, b"")
    assert opened(done.stdout).format == "PNG"


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF"])
def test_standard_input_goes_to_standard_output_in_its_format(run: Run, format: str) -> None:
    run("-", given=encoded(format))
    assert (run.code, run.err) == (0, b"")
    assert opened(run.out).format == format


def test_a_picture_that_pillow_cannot_read_comes_through_a_pipe(tmp_path: Path, run: Run) -> None:
    deep = np.dstack([photo_like(12, 16)[:, :, :1], np.full((12, 16), 99, np.uint8)]).astype(np.uint16) * 257
    source = pyvips.Image.new_from_array(deep).copy(interpretation="grey16")
    run("-", given=source.tiffsave_buffer())
    assert (run.code, run.err) == (0, b"")
    assert pyvips.Image.new_from_buffer(run.out, "").format == "ushort"


def test_a_warning_names_the_stream(run: Run, caplog: pytest.LogCaptureFixture) -> None:
    file = BytesIO()
    Image.new("CMYK", (16, 12)).save(file, "TIFF")
    run("-", given=file.getvalue())
    assert [message.partition(":")[0] for message in caplog.messages] == ["standard input"]


def test_one_end_may_be_a_file(tmp_path: Path, run: Run) -> None:
    source, target = tmp_path / "a.png", tmp_path / "out" / "b.webp"
    source.write_bytes(encoded("PNG"))
    run(source, "-o", "-", "--format", "jpg")
    assert opened(run.out).format == "JPEG"
    run("-", "-o", target, given=encoded("PNG"))
    assert run.out == os.fsencode(target) + b"\n"
    assert opened(target.read_bytes()).format == "WEBP"
    run("-", "-o", target, given=encoded("PNG"))
    assert isinstance(run.code, str)
    assert "exists already" in run.code
    assert run.out == b""


def test_an_existing_result_of_a_pipe_is_passed_over(tmp_path: Path, run: Run) -> None:
    target = tmp_path / "a.png"
    target.write_bytes(b"before")
    run("-", "-o", target, "--skip-existing", given=b"not read")
    assert (run.code, run.out, run.err, target.read_bytes()) == (0, b"", b"", b"before")


@pytest.mark.parametrize(
    ("name", "arguments", "sentence"),
    [
        ("stdin", ["-", "-o", "new.png"], "error: standard input is closed; redirect a picture into it"),
        ("stdout", ["a.png", "-o", "-"], "error: standard output is closed; redirect it, or name"),
    ],
)
def test_a_closed_stream_is_said(
    tiny_model: Path, monkeypatch: pytest.MonkeyPatch, name: str, arguments: list[str], sentence: str
) -> None:
    monkeypatch.setattr(sys, name, None)
    with pytest.raises(SystemExit, match=f"^{sentence}"):
        main([*arguments, "--model", str(tiny_model)])


@pytest.mark.slow
@pytest.mark.parametrize("closed", ["2>&-", "<&- >&- 2>&-"])
def test_a_picture_is_done_with_closed_streams(tmp_path: Path, tiny_model: Path, closed: str) -> None:
    (tmp_path / "a.png").write_bytes(encoded("PNG"))
    command = [sys.executable, "-m", "upscaler", str(tmp_path), "-o", str(tmp_path / "out"), "--model", str(tiny_model)]
    subprocess.run(f"{shlex.join(command)} {closed}", shell=True, cwd=ROOT, check=True)
    opened((tmp_path / "out/a.png").read_bytes())


@pytest.mark.parametrize(
    ("given", "arguments", "sentence"),
    [
        (b"", ["-"], "error: standard input is empty; "),
        (b"no picture", ["-"], "error: standard input is not a readable picture; "),
        (b"no picture", ["-", "-o", "."], "error: . is a folder; name the picture, such as photo.jpg"),
        (b"no picture", ["-", "-o", "a.x"], "error: a.x has no suffix of a supported format; "),
        (bytes(10**8 + 17), ["-", "--max-pixels", "1e-6"], "error: standard input has more than 100,000,016 bytes; "),
    ],
)
def test_what_standard_input_lacks_is_said(run: Run, given: bytes, arguments: list[str], sentence: str) -> None:
    run(*arguments, given=given)
    assert isinstance(run.code, str)
    assert run.code.startswith(sentence)
    assert run.out == b""
