"""Standard input and output: names of any encoding, and pictures."""

import os
import subprocess
import sys
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from support.pictures import photo_like

ROOT = Path(__file__).parents[2]


def upscale(
    model: Path, *arguments: object, given: bytes = b"", **variables: str
) -> "subprocess.CompletedProcess[bytes]":
    command = [sys.executable, "-m", "upscaler", *map(str, arguments), "--model", str(model)]
    environment = os.environ | variables
    return subprocess.run(command, input=given, cwd=ROOT, env=environment, capture_output=True, check=False)


def encoded(format: str) -> bytes:
    """Return a picture of 16x12 pixels as a file."""
    file = BytesIO()
    Image.fromarray(photo_like(12, 16)).save(file, format)
    return file.getvalue()


def opened(content: bytes) -> Image.Image:
    image = Image.open(BytesIO(content))
    assert image.size == (32, 24)
    return image


@pytest.mark.parametrize("encoding", ["cp1252", "ascii", "utf-8"])
def test_names_that_the_output_cannot_encode_are_done(tmp_path: Path, tiny_model: Path, encoding: str) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    names = ["a.png", "b_山.png", os.fsdecode(b"c_\xe9.png"), os.fsdecode("d_山".encode() + b"\xe9.tif")]
    for name in names:
        (folder / name).write_bytes(encoded("TIFF" if name.endswith("tif") else "PNG"))
    (folder / os.fsdecode(b"e_\xe9.png")).write_bytes(b"broken")
    done = upscale(tiny_model, folder, "-o", tmp_path / "out", PYTHONIOENCODING=f"{encoding}:strict")
    assert done.returncode == 1
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == names
    lines = done.stdout.splitlines()
    assert len(lines) == len(names)
    assert lines[2] == os.fsencode(tmp_path / "out" / names[2])
    assert (lines[1] == os.fsencode(tmp_path / "out" / names[1])) == (encoding == "utf-8")
    assert b"Traceback" not in done.stderr
    assert b"4 upscaled, 1 passed over: " in done.stderr


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF"])
def test_standard_input_goes_to_standard_output_in_its_format(tiny_model: Path, format: str) -> None:
    done = upscale(tiny_model, "-", given=encoded(format))
    assert (done.returncode, done.stderr) == (0, b"")
    assert opened(done.stdout).format == format


def test_one_end_may_be_a_file(tmp_path: Path, tiny_model: Path) -> None:
    source, target = tmp_path / "a.png", tmp_path / "out" / "b.webp"
    source.write_bytes(encoded("PNG"))
    done = upscale(tiny_model, source, "-o", "-", "--format", "jpg")
    assert opened(done.stdout).format == "JPEG"
    done = upscale(tiny_model, "-", "-o", target, given=encoded("PNG"))
    assert done.stdout == os.fsencode(target) + b"\n"
    assert opened(target.read_bytes()).format == "WEBP"
    done = upscale(tiny_model, "-", "-o", target, given=encoded("PNG"))
    assert (done.returncode, done.stdout) == (1, b"")
    assert b"exists already" in done.stderr


@pytest.mark.parametrize(
    ("given", "arguments", "sentence"),
    [
        (b"", ["-"], b"error: standard input is empty; "),
        (b"no picture", ["-"], b"error: standard input is not a readable picture; "),
        (b"no picture", ["-", "-o", "."], b"error: . is a folder; name the picture, such as photo.jpg"),
        (bytes(10**8 + 17), ["-", "--max-pixels", "1e-6"], b"error: standard input has more than 100,000,016 bytes; "),
    ],
)
def test_what_standard_input_lacks_is_said(
    tiny_model: Path, given: bytes, arguments: list[str], sentence: bytes
) -> None:
    done = upscale(tiny_model, *arguments, given=given)
    assert (done.returncode, done.stdout) == (1, b"")
    assert done.stderr.startswith(sentence)
    assert done.stderr.count(b"\n") == 1
