"""ICC profiles that are made, or fitted to gray or RGB."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms

from support.colour_reference import MATRICES, by_profile, shown
from support.pictures import photo_like
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
    gray_profile,
    rgb_profile,
    space_of,
)
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
