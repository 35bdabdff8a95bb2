"""ICC profiles that are made, or fitted to gray or RGB."""

import struct

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms

from support.colour_reference import MATRICES, by_profile, gray_profile, shown
from support.pictures import photo_like
from upscaler.pictures.colour_space import Means, colour_by
from upscaler.pictures.header import Frame
from upscaler.pictures.icc_profiles import (
    ADOBE_RGB,
    ADOBE_RGB_CURVE,
    GRAY,
    RGB,
    SRGB,
    SRGB_CURVE,
    Chromaticities,
    Curve,
    fitted,
    rgb_profile,
    space_of,
)
from upscaler.pictures.metadata import Metadata
from upscaler.pictures.vips import pyvips
from upscaler.pictures.vips_writing import vips_image
from upscaler.pixels import Pixels

PHOTO = photo_like(40, 60)


def gray_of(picture: Pixels) -> Image.Image:
    return Image.fromarray(picture[:, :, 1])


@pytest.mark.parametrize("gamma", [None, 1.8, 563 / 256])
@pytest.mark.parametrize("primaries", MATRICES)
def test_a_made_profile_shows_the_colours_of_its_space(primaries: Chromaticities, gamma: float | None) -> None:
    profile = rgb_profile(primaries, Curve(gamma) if gamma else SRGB_CURVE)
    assert space_of(profile) == RGB
    off = by_profile(Image.fromarray(PHOTO), profile) - shown(PHOTO, primaries, gamma)
    assert np.abs(off).max() < 1.1


def test_a_made_profile_of_gray_shows_its_curve() -> None:
    profile = gray_profile(Curve(1.8))
    assert space_of(profile) == GRAY
    off = by_profile(gray_of(PHOTO), profile) - shown(PHOTO[:, :, [1, 1, 1]], SRGB, 1.8)
    assert np.abs(off).max() < 1.1


@pytest.mark.parametrize("curve", [SRGB_CURVE, ADOBE_RGB_CURVE, Curve(1.0)])
def test_gray_pixels_look_the_same_as_gray_and_as_rgb(curve: Curve) -> None:
    gray, rgb = gray_of(PHOTO), Image.fromarray(PHOTO[:, :, [1, 1, 1]])
    wide, narrow = rgb_profile(ADOBE_RGB, curve), gray_profile(curve)
    assert np.abs(by_profile(rgb, wide).astype(int) - by_profile(gray, fitted(wide, GRAY))).max() <= 1
    assert np.abs(by_profile(gray, narrow).astype(int) - by_profile(rgb, fitted(narrow, RGB))).max() <= 1
    assert fitted(wide, RGB) == wide


def test_a_profile_without_curves_does_not_fit_another_space() -> None:
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    assert fitted(lab, RGB) == fitted(lab, GRAY) == fitted(b"", RGB) == b""


points = st.tuples(*[st.floats(-0.5, 1.5)] * 2)


@settings(max_examples=30)
@given(st.builds(Chromaticities, points, points, points, points))
def test_primaries_give_a_profile_that_keeps_white_or_are_refused(primaries: Chromaticities) -> None:
    try:
        profile = rgb_profile(primaries, SRGB_CURVE)
    except ValueError:
        return
    white = by_profile(Image.new("RGB", (1, 1), (255, 255, 255)), profile)
    assert (white >= 254).all()


@given(st.binary(max_size=300), st.sampled_from([RGB, GRAY]))
def test_any_bytes_are_taken_for_a_profile(content: bytes, space: bytes) -> None:
    for start in (content, fitted(gray_profile(Curve(1.0)), GRAY)[:128] + content):
        fitted(start, space)


@settings(max_examples=30)
@example(cut=0, padding=3, declared=None, version=4, changed=None)
@example(cut=0, padding=0, declared=540, version=4, changed=None)
@given(
    cut=st.integers(0, 40),
    padding=st.integers(0, 9),
    declared=st.none() | st.integers(500, 600),
    version=st.sampled_from([2, 4]),
    changed=st.none() | st.tuples(st.integers(132, 131 + 12 * 9), st.integers(0, 255)),
)
def test_png_takes_every_profile_that_is_used(
    cut: int, padding: int, declared: int | None, version: int, changed: tuple[int, int] | None
) -> None:
    made = rgb_profile(ADOBE_RGB, ADOBE_RGB_CURVE)
    content = bytearray(made[: len(made) - cut] + bytes(padding))
    content[8] = version
    if declared is not None:
        content[:4] = declared.to_bytes(4, "big")
    if changed:
        content[changed[0]] = changed[1]
    colour = colour_by(Means(gray=False, profile=bytes(content)))
    photo = Image.fromarray(PHOTO)
    vips_image(Frame(PHOTO), Metadata(profile=colour.profile)).pngsave_target(pyvips.Target.new_to_memory(), keep="icc")
    if not (cut or changed):
        assert np.array_equal(by_profile(photo, colour.profile), by_profile(photo, made))


def test_a_tag_beyond_the_end_costs_itself_only() -> None:
    made = rgb_profile(ADOBE_RGB, ADOBE_RGB_CURVE)
    count = int.from_bytes(made[128:132], "big")
    shifted = bytearray(made[: 132 + 12 * count])
    for n in range(count):
        place = slice(132 + 12 * n + 4, 132 + 12 * n + 8)
        shifted[place] = (int.from_bytes(shifted[place], "big") + 12).to_bytes(4, "big")
    shifted[128:132] = (count + 1).to_bytes(4, "big")
    content = bytes(shifted) + struct.pack(">4sII", b"targ", 100_000, 50) + made[132 + 12 * count :]
    colour = colour_by(Means(gray=False, profile=content))
    photo = Image.fromarray(PHOTO)
    assert np.array_equal(by_profile(photo, colour.profile), by_profile(photo, made))
    vips_image(Frame(PHOTO), Metadata(profile=colour.profile)).pngsave_target(pyvips.Target.new_to_memory(), keep="icc")
