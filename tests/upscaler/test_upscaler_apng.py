"""Animated PNGs: frames are composed as the specification says, in the channels that the header declares."""

import io
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image, ImageSequence

from support.apngs import BACKGROUND, NONE, OVER, PREVIOUS, SOURCE, Drawing, apng
from support.odd_pictures import chunk
from support.pictures import photo_like
from upscaler.errors import PictureError
from upscaler.pictures.header import Frame, Header
from upscaler.pictures.reading import read_frames, read_header
from upscaler.pixels import to_8_bits

WIDTH, HEIGHT = 4, 3
SIZE = WIDTH, HEIGHT
LEVELS = st.sampled_from([0, 1, 64, 128, 254, 255])
EMPTY = (0, 0, 0, 0)

Colour = tuple[int, ...]
Picture = NDArray[Any]


def read(path: Path, content: bytes) -> tuple[Header, list[Frame]]:
    path.write_bytes(content)
    header = read_header(path)
    frames = list(read_frames(header))
    assert all(
        frame.pixels.shape == (header.height, header.width, page.channels)
        for frame, page in zip(frames, header.pages, strict=True)
    )
    return header, frames


def full(*colour: int, size: tuple[int, int] = SIZE, bits: int = 8) -> Picture:
    return np.full((*size[::-1], len(colour)), colour, np.uint8 if bits == 8 else np.uint16)


@st.composite
def drawings(draw: st.DrawFn, channels: int) -> Drawing:
    left, top = draw(st.integers(0, WIDTH - 1)), draw(st.integers(0, HEIGHT - 1))
    width, height = draw(st.integers(1, WIDTH - left)), draw(st.integers(1, HEIGHT - top))
    if draw(st.booleans()):
        left, top, width, height = 0, 0, *SIZE
    count = width * height * channels
    pixels = np.array(draw(st.lists(LEVELS, min_size=count, max_size=count)), np.uint8)
    disposal, blending = draw(st.sampled_from([NONE, BACKGROUND, PREVIOUS])), draw(st.sampled_from([SOURCE, OVER]))
    return Drawing(pixels.reshape(height, width, channels), left, top, disposal, blending)


@st.composite
def animations(draw: st.DrawFn) -> tuple[list[Drawing], Drawing | None]:
    channels = draw(st.integers(1, 4))
    frames = draw(st.lists(drawings(channels), min_size=2, max_size=5))
    if draw(st.booleans()):
        return frames, Drawing(full(*[7] * channels))
    return frames, None


def over(upper: Colour, lower: Colour) -> Colour:
    """Composite a colour with alpha, not premultiplied, in exact numbers."""
    own, rest = Fraction(upper[-1], 255), Fraction(lower[-1], 255) * (1 - Fraction(upper[-1], 255))
    if own + rest == 0:
        return (0,) * len(upper)
    mixed = [(a * own + b * rest) / (own + rest) for a, b in zip(upper[:-1], lower[:-1], strict=True)]
    return tuple(int(value + Fraction(1, 2)) for value in [*mixed, 255 * (own + rest)])


def composed(frames: list[Drawing]) -> list[Picture]:
    """Compose frames pixel by pixel, with alpha in each."""
    channels = frames[0].pixels.shape[2]
    opaque = channels in (1, 3)
    canvas = np.zeros((HEIGHT, WIDTH, channels + opaque), np.uint8)
    shown = []
    for frame in frames:
        before = canvas.copy()
        for y, x in np.ndindex(*frame.pixels.shape[:2]):
            place = frame.top + y, frame.left + x
            colour = tuple(frame.pixels[y, x].tolist()) + (255,) * opaque
            canvas[place] = over(colour, tuple(canvas[place].tolist())) if frame.blending == OVER else colour
        shown.append(canvas.copy())
        if frame.disposal == PREVIOUS:
            canvas = before
        elif frame.disposal == BACKGROUND:
            height, width, _ = frame.pixels.shape
            canvas[frame.top : frame.top + height, frame.left : frame.left + width] = 0
    return shown


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(animation=animations())
def test_frames_are_composed_as_pixel_by_pixel(tmp_path: Path, animation: tuple[list[Drawing], Drawing | None]) -> None:
    frames, still = animation
    header, read_back = read(tmp_path / "a.png", apng(SIZE, frames, still=still))
    expected, channels = composed(frames), frames[0].pixels.shape[2]
    if still:
        colour = read_back.pop(0).pixels[:, :, :channels]
        assert header.still_first and (colour == 7).all()
    has_background = any((picture[:, :, -1] == 0).any() for picture in expected)
    assert header.pages[0].channels == channels + (channels in (1, 3) and has_background)
    for frame, picture in zip(read_back, expected, strict=True):
        assert (frame.pixels == picture[:, :, : header.pages[0].channels]).all()


def test_a_soft_edge_that_moves_stays_soft(tmp_path: Path) -> None:
    edge = Drawing(full(255, 255, 255, 128), disposal=BACKGROUND, blending=OVER)
    _, frames = read(tmp_path / "a.png", apng(SIZE, [edge, edge]))
    for frame in frames:
        assert (frame.pixels == (255, 255, 255, 128)).all()


@pytest.mark.parametrize(
    ("lower", "upper", "expected"),
    [
        ((0, 0, 0, 0), (0, 255, 0, 128), (0, 255, 0, 128)),
        ((255, 0, 0, 128), (0, 0, 255, 128), (85, 0, 170, 192)),
        ((255, 0, 0, 255), (0, 0, 255, 128), (127, 0, 128, 255)),
        ((9, 9, 9, 0), (8, 8, 8, 0), EMPTY),
        ((9, 8, 7, 3), (1, 2, 3, 0), (9, 8, 7, 3)),
        ((9, 8, 7, 3), (1, 2, 3, 255), (1, 2, 3, 255)),
    ],
)
def test_over_composites(tmp_path: Path, lower: Colour, upper: Colour, expected: Colour) -> None:
    content = apng(SIZE, [Drawing(full(*lower)), Drawing(full(*upper), blending=OVER)])
    _, frames = read(tmp_path / "a.png", content)
    assert (frames[1].pixels == expected).all()


def test_large_frames_are_composited_too(tmp_path: Path) -> None:
    size = 300, 500  # more than is composited at once
    below, above = full(255, 0, 0, 128, size=size), full(0, 0, 255, 128, size=size)
    _, frames = read(tmp_path / "a.png", apng(size, [Drawing(below), Drawing(above, blending=OVER)]))
    assert (frames[1].pixels == (85, 0, 170, 192)).all()


@pytest.mark.parametrize(("colour", "other"), [((0x1234,), (0xFFFF,)), ((0x1234, 5, 6), (0x1234, 5, 7))])
def test_16_bits_keep_their_transparent_colour(tmp_path: Path, colour: Colour, other: Colour) -> None:
    hidden, shown = full(*colour, bits=16), full(*other, bits=16)
    transparency = chunk(b"tRNS", b"".join(value.to_bytes(2, "big") for value in colour))
    header, frames = read(tmp_path / "a.png", apng(SIZE, [Drawing(hidden), Drawing(shown)], transparency))
    assert header.pages[0].channels == len(colour) + 1
    assert [frame.pixels[0, 0, -1] for frame in frames] == [0, 255]
    assert (frames[1].pixels[:, :, :-1] == to_8_bits(shown)).all()


@pytest.mark.parametrize(
    ("mode", "disposal"),
    [
        *((mode, NONE) for mode in ("1", "L", "P", "RGB")),
        *((mode, disposal) for mode in ("LA", "RGBA") for disposal in (NONE, BACKGROUND, PREVIOUS)),
    ],
)
def test_frames_that_replace_others_are_as_pillow_reads_them(tmp_path: Path, mode: str, disposal: int) -> None:
    pictures = [photo_like(30, 40, seed) for seed in range(2)]
    pictures.insert(1, pictures[0].copy())
    pictures[1][5:12, 7:20] = pictures[2][5:12, 7:20]  # of which Pillow writes this region only
    images = [Image.fromarray(picture) for picture in pictures]
    if mode in ("LA", "RGBA"):
        for image, seed in zip(images, range(3), strict=True):
            image.putalpha(Image.fromarray(photo_like(30, 40, seed + 9)[:, :, 0]))
    images = [image.convert(mode) for image in images]
    file = io.BytesIO()
    images[0].save(file, "PNG", save_all=True, append_images=images[1:], duration=[10, 20, 30], disposal=disposal)
    header, frames = read(tmp_path / "a.png", file.getvalue())
    with Image.open(tmp_path / "a.png") as image:
        decoded = {"1": "L", "P": "RGB"}.get(mode, mode)
        expected = [np.asarray(frame.convert(decoded)) for frame in ImageSequence.Iterator(image)]
    assert header.frames == len(expected) == 3
    assert [frame.milliseconds for frame in frames] == [10, 20, 30]
    for frame, pixels in zip(frames, expected, strict=True):
        assert (frame.pixels == pixels.reshape(frame.pixels.shape)).all()


def test_a_palette_keeps_its_transparency(tmp_path: Path) -> None:
    palette = chunk(b"PLTE", bytes([255, 0, 0, 0, 255, 0])), chunk(b"tRNS", b"\x80")
    frames = [Drawing(full(1)), Drawing(full(0, size=(2, 1)), 1, 2, blending=OVER)]
    _, (first, second) = read(tmp_path / "a.png", apng(SIZE, frames, *palette, colour_type=3))
    assert (first.pixels == (0, 255, 0, 255)).all()
    assert (second.pixels[2, 1:3] == (128, 127, 0, 255)).all()
    assert (second.pixels[:2] == first.pixels[:2]).all()


def test_frames_are_turned(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[274] = 6
    corner = Drawing(full(255, size=(1, 1)), left=3, top=0)
    content = apng(SIZE, [Drawing(full(0)), corner], chunk(b"eXIf", exif.tobytes().removeprefix(b"Exif\0\0")))
    header, frames = read(tmp_path / "a.png", content)
    assert (header.width, header.height) == (HEIGHT, WIDTH)
    assert np.argwhere(frames[1].pixels[:, :, 0]).tolist() == [[3, 2]]


@pytest.mark.parametrize(("time", "milliseconds"), [((1, 0), 10), ((0, 10), 0), ((1, 3), 1000 / 3)])
def test_times_are_fractions_of_a_second(tmp_path: Path, time: tuple[int, int], milliseconds: float) -> None:
    frame = Drawing(full(0), time=time)
    _, frames = read(tmp_path / "a.png", apng(SIZE, [frame, frame]))
    assert [frame.milliseconds for frame in frames] == pytest.approx([milliseconds, milliseconds])


WHOLE, SPOT = Drawing(full(9, 9, 9)), full(1, 2, 3, size=(1, 1))
MOVING = apng(SIZE, [WHOLE, WHOLE])


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (apng(SIZE, [WHOLE, Drawing(SPOT, left=WIDTH)]), "is broken .*outside the picture"),
        (apng(SIZE, [WHOLE, Drawing(SPOT, top=2**32 - 1)]), "is broken .*outside the picture"),
        (apng(SIZE, [WHOLE, Drawing(full(0, 0, 0, size=(1, HEIGHT + 1)))]), "is broken .*outside the picture"),
        (apng(SIZE, [WHOLE, Drawing(full(0, 0, 0, size=(1, 0)))]), "is broken .*outside the picture"),
        (apng(SIZE, [WHOLE, WHOLE], declared=3), "has only 2 of 3 declared frames"),
        (apng(SIZE, [WHOLE] * 3, declared=2), "has more than its 2 declared frames"),
        (apng(SIZE, [WHOLE, WHOLE], skipped=0), "is damaged"),
        (apng(SIZE, [WHOLE, WHOLE], skipped=1), "is broken .*out of order"),
        (MOVING[:-20], "is broken"),
        (MOVING[:-13] + bytes([MOVING[-13] ^ 1]) + MOVING[-12:], "is broken"),
        (MOVING[: MOVING.rindex(b"fdAT") - 4] + MOVING[-12:], "is broken .*truncated"),
    ],
)
def test_wrong_frames_are_refused(tmp_path: Path, content: bytes, reason: str) -> None:
    with pytest.raises(PictureError, match=reason) as refused:
        read(tmp_path / "a.png", content)
    assert "\n" not in str(refused.value)
