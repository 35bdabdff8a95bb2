"""Refusals: one sentence, exit code 1, and no partial output."""

import io
import json
import os
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from support.pictures import photo_like
from support.tiff_blocks import shorts, tiff
from upscaler import Limits, Options, PictureError, Upscaler, double_file
from upscaler.__main__ import main
from upscaler.pictures.formats import BY_SUFFIX, Sequence, check_room
from upscaler.pictures.reading import read_frames, read_header


def png(chunks: list[tuple[bytes, bytes]]) -> bytes:
    parts = [
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def header(width: int, height: int) -> tuple[bytes, bytes]:
    return b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)


def bomb(path: Path) -> None:
    path.write_bytes(png([header(50_000, 50_000), (b"IDAT", zlib.compress(bytes(5_000_000), 9)), (b"IEND", b"")]))


def cut(path: Path) -> None:
    Image.fromarray(photo_like(80, 80)).save(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])


def garbled_png(path: Path) -> None:
    Image.fromarray(photo_like(80, 80)).save(path)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def float_tiff(path: Path) -> None:
    Image.fromarray(np.zeros((4, 4), np.float32)).save(path)


def empty_frame(path: Path) -> None:
    Image.fromarray(photo_like(12, 9)).save(path)
    path.write_bytes(path.read_bytes().replace(b",\0\0\0\0\x09\0\x0c\0", b",\0\0\0\0\0\0\x0c\0"))


BROKEN: dict[str, tuple[Callable[[Path], object], str]] = {
    "empty.jpg": (lambda p: p.write_bytes(b""), "not a readable picture"),
    "text.png": (lambda p: p.write_text("hello"), "not a readable picture"),
    "cut.jpg": (cut, "broken"),
    "cut.png": (cut, "broken"),
    "cut.webp": (cut, "broken"),
    "cut.tif": (cut, "broken"),
    "cut.gif": (cut, "broken"),
    "checksum.png": (garbled_png, "broken"),
    "headless.png": (lambda p: p.write_bytes(png([(b"IEND", b"")])), "is a PNG that is damaged"),
    "frame.gif": (empty_frame, "broken (a frame has no pixels)"),
    "dataless.png": (lambda p: p.write_bytes(png([header(4, 4), (b"IEND", b"")])), "broken (its content is damaged)"),
    "bomb.png": (bomb, "50000x50000"),
    "floats.tif": (float_tiff, "8 or 16 bits"),
    "missing.jpg": (lambda p: None, "no such file"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_refusals_are_one_sentence_and_write_nothing(
    name: str, tmp_path: Path, tiny_model: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    make, reason = BROKEN[name]
    source, out = tmp_path / "in" / name, tmp_path / "out"
    source.parent.mkdir()
    make(source)
    with pytest.raises(SystemExit) as stopped:
        main([str(source), "-o", str(out / name), "--model", str(tiny_model)])
    message = capfd.readouterr().err
    assert stopped.value.code == 1
    assert message.startswith("error: ")
    assert reason in message
    assert name in message
    assert message.count("\n") == 1
    assert not out.exists() or not list(out.iterdir())


def encoded(suffix: str) -> bytes:
    file = io.BytesIO()
    frames = [Image.fromarray(photo_like(12, 9, seed)) for seed in range(2)]
    several = {"save_all": True, "append_images": frames[1:]} if suffix in ("gif", "webp") else {}
    frames[0].save(file, suffix, **several)
    return file.getvalue()


@settings(max_examples=60)
@given(st.sampled_from(["jpeg", "png", "gif", "webp", "avif", "bmp", "tiff"]), st.data())
def test_changed_bytes_are_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, suffix: str, draw: st.DataObject
) -> None:
    data = bytearray(encoded(suffix))
    for _ in range(draw.draw(st.integers(1, 4))):
        data[draw.draw(st.integers(0, min(len(data), 300) - 1))] = draw.draw(st.integers(0, 255))
    path = tmp_path_factory.getbasetemp() / f"changed.{suffix}"
    path.write_bytes(data)
    try:
        header = read_header(path)
        frames = list(read_frames(header)) if header.pixels < 100_000 else []
    except PictureError as error:
        assert str(path) in str(error)
    else:
        assert all(frame.pixels.dtype in (np.uint8, np.uint16) for frame in frames)


def refusal(upscaler: Upscaler, source: Path, target: Path, **options: Any) -> str:
    before = sorted(source.parent.iterdir())
    with pytest.raises(PictureError) as refused:
        next(double_file(upscaler, source, target, Options(**options)))
    assert sorted(source.parent.iterdir()) == before
    return str(refused.value)


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "photo.png"
    Image.fromarray(photo_like(40, 50)).save(path)
    return path


def test_too_many_pixels(upscaler: Upscaler, photo: Path) -> None:
    message = refusal(upscaler, photo, photo.with_name("x.png"), limits=Limits(pixels=1999))
    assert "50x40" in message
    assert "--max-pixels" in message


def test_too_much_memory(upscaler: Upscaler, tmp_path: Path) -> None:
    source = tmp_path / "large.png"
    Image.new("RGB", (4_000, 3_000)).save(source)
    message = refusal(upscaler, source, tmp_path / "x.png", memory=100_000_000)
    assert "4000x3000" in message
    assert "0.1 GB may be used" in message


def test_unknown_format(upscaler: Upscaler, photo: Path) -> None:
    assert "jpg, jpeg, jfif" in refusal(upscaler, photo, photo.with_name("x.xyz"))


def test_a_size_over_the_formats_limit_is_refused(upscaler: Upscaler, tmp_path: Path) -> None:
    long = tmp_path / "long.png"
    Image.new("L", (33_000, 1)).save(long)
    assert "66000x2" in refusal(upscaler, long, tmp_path / "x.jpg")
    assert "choose PNG" in refusal(upscaler, long, tmp_path / "x.webp")
    assert "AVIF allows at most 32768" in refusal(upscaler, long, tmp_path / "x.avif")


@pytest.mark.parametrize("suffix", [".avif", ".webp", ".jpg"])
def test_the_largest_size_of_a_format_can_be_read(suffix: str, tmp_path: Path) -> None:
    side = BY_SUFFIX[suffix].most_side
    Image.new("RGB", (side, 1)).save(tmp_path / f"a{suffix}")
    assert read_header(tmp_path / f"a{suffix}").width == side


@pytest.mark.parametrize(("width", "height"), [(16_385, 16_384), (20_000, 15_000)])
def test_an_avif_has_a_limit_of_pixels_too(width: int, height: int, tmp_path: Path) -> None:
    check_room(tmp_path / "x.avif", 16_384, 16_384, Sequence.SINGLE)
    with pytest.raises(PictureError, match="but AVIF allows at most 268 megapixels; choose PNG or TIFF"):
        check_room(tmp_path / "x.avif", width, height, Sequence.SINGLE)


def test_a_size_over_every_formats_limit(tmp_path: Path) -> None:
    with pytest.raises(PictureError, match="PNG allows at most 2147483647 a side; make it smaller"):
        check_room(tmp_path / "x.png", 2**32 - 2, 2, Sequence.SINGLE)


@pytest.mark.skipif(".heic" not in BY_SUFFIX, reason="the extra heic is not installed")
def test_a_size_that_the_encoder_refuses(upscaler: Upscaler, tmp_path: Path) -> None:
    thin = tmp_path / "thin.png"
    Image.new("L", (2500, 2)).save(thin)
    with pytest.raises(PictureError, match=r"as HEIC \(its encoder fails with 5000x4 pixels\); choose PNG"):
        list(double_file(upscaler, thin, tmp_path / "x.heic"))
    assert list(tmp_path.iterdir()) == [thin]


def test_an_animation_to_a_still_format_is_refused(upscaler: Upscaler, tmp_path: Path) -> None:
    frames = [Image.fromarray(photo_like(8, 8, seed)) for seed in range(3)]
    for name, suffix, instead in (("a.gif", ".jpg", "WebP"), ("a.gif", ".tif", "WebP"), ("a.tif", ".gif", "TIFF")):
        source = tmp_path / name
        frames[0].save(source, save_all=True, append_images=frames[1:])
        assert instead in refusal(upscaler, source, tmp_path / f"x{suffix}")


def test_transparency_to_an_opaque_format_is_refused(upscaler: Upscaler, tmp_path: Path) -> None:
    source = tmp_path / "clear.png"
    Image.new("RGBA", (5, 5), (1, 2, 3, 4)).save(source)
    assert "transparent" in refusal(upscaler, source, tmp_path / "x.jpg")
    Image.new("RGBA", (5, 5), (1, 2, 3, 255)).save(source)
    list(double_file(upscaler, source, tmp_path / "x.bmp"))
    assert Image.open(tmp_path / "x.bmp").getpixel((0, 0)) == (1, 2, 3)


def test_a_folder_without_permission(upscaler: Upscaler, photo: Path) -> None:
    closed = photo.parent / "closed"
    closed.mkdir(mode=0o500)
    if os.access(closed, os.W_OK):
        pytest.skip("this user may write everywhere")
    with pytest.raises(PermissionError):
        next(double_file(upscaler, photo, closed / "x.png"))


FULL = """
import resource, signal, sys
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))
from upscaler.__main__ import main
from upscaler.pictures.reading import read_frames, read_header
main(sys.argv[1:])
"""


@pytest.mark.parametrize("suffix", [".jpg", *(pytest.param(s, marks=pytest.mark.slow) for s in (".png", ".tif"))])
def test_a_full_disk_gets_one_sentence(photo: Path, tiny_model: Path, suffix: str) -> None:
    target = photo.parent / f"x{suffix}"
    before = sorted(photo.parent.iterdir())
    command = [sys.executable, "-c", FULL, str(photo), "-o", str(target), "--model", str(tiny_model)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=Path(__file__).parents[2])
    assert done.returncode == 1
    assert "error: " in done.stderr
    assert "Traceback" not in done.stderr
    assert sorted(photo.parent.iterdir()) == before


@pytest.mark.parametrize(
    "change",
    [
        lambda config: config.pop("architecture"),
        lambda config: config.update(surprise=1),
        lambda config: config.update(format_version=3),
        lambda config: config["sha256"].update({"model.safetensors": "0" * 64}),
    ],
)
def test_a_broken_artifact_gets_one_sentence(
    change: Callable[[dict[str, object]], object], photo: Path, tiny_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tiny_model / "config.json"
    config = json.loads(path.read_text())
    change(config)
    path.write_text(json.dumps(config))
    with pytest.raises(SystemExit) as stopped:
        main([str(photo), "--model", str(tiny_model)])
    assert str(stopped.value.code).startswith("error: ")
    assert "\n" not in str(stopped.value.code)
    assert not photo.with_name("photo_2x.png").exists()


def test_an_unknown_model_gets_one_sentence(photo: Path) -> None:
    with pytest.raises(SystemExit, match="does not exist"):
        main([str(photo), "--model", "nothing"])


def test_a_reason_is_that_of_its_own_picture(tmp_path: Path) -> None:
    for name in ("private.avif", "broken.avif"):
        Image.fromarray(photo_like(14, 20)).save(tmp_path / name)
        read_header(tmp_path / name)  # libvips keeps messages of valid AVIFs, too, for the next error
    (tmp_path / "broken.avif").write_bytes((tmp_path / "broken.avif").read_bytes()[:-20])
    pixels = bytearray(zlib.compress(bytes(14 * (1 + 20 * 6))))
    pixels[4] ^= 255
    head = struct.pack(">IIBBBBB", 20, 14, 16, 2, 0, 0, 0)
    (tmp_path / "broken.png").write_bytes(png([(b"IHDR", head), (b"IDAT", bytes(pixels)), (b"IEND", b"")]))
    for name in ("broken.png", "broken.avif"):
        with pytest.raises(PictureError) as refused:
            list(read_frames(read_header(tmp_path / name)))
        message = str(refused.value).removeprefix(str(tmp_path / name))
        assert message.startswith(" is broken (")
        assert str(tmp_path) not in message and "seek" not in message


READ = """
import sys
from pathlib import Path
from upscaler.pictures.reading import read_rgb8
for name in sys.argv[1:]:
    try:
        print(read_rgb8(Path(name)).shape)
    except Exception as error:
        print(error)
"""


def test_pillow_says_nothing_of_its_own(tmp_path: Path) -> None:
    exif, samples = tmp_path / "exif.jpg", tmp_path / "samples.tif"
    cut_off = b"Exif\0\0II*\0\x08\0\0\0\3\0" + struct.pack("<HHII", 271, 2, 3, 99)
    Image.fromarray(photo_like(14, 20)).save(exif, exif=cut_off)
    samples.write_bytes(tiff((np.zeros((2, 2, 7), np.uint8), [(259, 3, 1, shorts(34925))])))  # LZMA is Pillow's
    command = [sys.executable, "-c", READ, str(exif), str(samples)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2])
    assert done.stdout.startswith("(14, 20, 3)\n")
    assert "unsupported kind" in done.stdout
    assert done.stderr == ""
