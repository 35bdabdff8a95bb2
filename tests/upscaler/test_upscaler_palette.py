"""GIFs: 256 colours that are near to the picture's own, and transparency kept."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageSequence

from support.pictures import photo_like
from upscaler import Upscaler, double_file
from upscaler.pictures.header import Frame
from upscaler.pictures.palette import in_palette
from upscaler.pixels import Pixels


@given(st.integers(1, 256), st.integers(2, 4), st.integers(0, 2**32 - 1), st.integers(1, 40), st.integers(1, 40))
@settings(max_examples=40)
def test_a_picture_of_few_colours_stays_as_it_is(
    colours: int, channels: int, seed: int, height: int, width: int
) -> None:
    rng = np.random.default_rng(seed)
    transparent = channels in (2, 4)
    palette = rng.integers(0, 256, (colours - transparent or 1, channels), np.uint8)
    if transparent:
        palette[:, -1] = 255
        palette = np.concatenate([palette, np.zeros((1, channels), np.uint8)])
    pixels = palette[rng.integers(len(palette), size=(height, width))]
    image = in_palette(Frame(pixels))
    assert np.array_equal(shown(image), shown(Image.fromarray(pixels)))


def shown(image: Image.Image) -> Pixels:
    """Return RGBA without the colours that transparency hides."""
    pixels = np.array(image.convert("RGBA"))
    pixels[pixels[:, :, 3] == 0] = 0
    return pixels


@pytest.mark.parametrize("channels", [2, 4])
def test_each_pixel_is_transparent_or_not(channels: int) -> None:
    pixels = np.empty((64, 256, channels), np.uint8)
    pixels[:, :, :-1] = photo_like(64, 256)[:, :, : channels - 1]
    pixels[:, :, -1] = np.arange(256)
    alpha = np.asarray(in_palette(Frame(pixels)).convert("RGBA"))[:, :, 3]
    assert np.array_equal(alpha, np.where(pixels[:, :, -1] < 128, 0, 255))


def test_the_colours_of_a_photo_are_nearer_than_those_of_a_median_cut() -> None:
    photo = Image.open(Path(__file__).parents[2] / "apps/ui/samples/butterfly.jpg").convert("RGB")
    ours, of_median_cut = (
        np.square(np.asarray(image.convert("RGB"), float) - photo).mean()
        for image in (in_palette(Frame(np.asarray(photo))), photo.quantize(256))
    )
    assert ours < 0.6 * of_median_cut  # 2 dB


def test_neutral_stays_neutral() -> None:
    gray = photo_like(120, 160)[:, :, :1].repeat(3, axis=2)
    assert np.array_equal(np.asarray(in_palette(Frame(gray)).convert("RGB")), gray)


@pytest.mark.parametrize("channels", [2, 4])
def test_a_gif_is_transparent_where_each_frame_of_its_source_was(
    tmp_path: Path, tiny_model: Path, channels: int
) -> None:
    source, gif = tmp_path / "a.png", tmp_path / "a.gif"
    frames = []
    for seed in range(3):
        pixels = np.full((40, 60, channels), 255, np.uint8)
        pixels[:, :, :-1] = photo_like(40, 60, seed)[:, :, : channels - 1]
        pixels[10 * seed : 10 * seed + 15, :, -1] = 0
        frames.append(Image.fromarray(pixels))
    frames[0].save(source, save_all=True, append_images=frames[1:])
    list(double_file(Upscaler.load(str(tiny_model)), source, gif))
    with Image.open(gif) as written:
        alphas = [np.asarray(frame.convert("RGBA"))[:, :, 3] for frame in ImageSequence.Iterator(written)]
    for seed, alpha in enumerate(alphas):
        assert np.all(alpha[20 * seed + 2 : 20 * seed + 28] == 0)  # at an edge, the network decides
        assert np.all(alpha[20 * seed + 32 :] == 255)
