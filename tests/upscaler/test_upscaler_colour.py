"""Colour: profiles that are made, the colour space that a file names, and colour of results.

The reference is arithmetic written out here, with published matrices; littlecms shows the results.
"""

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image, ImageCms

from support.pictures import photo_like
from upscaler.pictures import icc_profiles
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
DISPLAY_P3 = Chromaticities((0.68, 0.32), (0.265, 0.69), (0.15, 0.06), icc_profiles.D65)
BT2020 = Chromaticities((0.708, 0.292), (0.17, 0.797), (0.131, 0.046), icc_profiles.D65)

# From linear light to linear sRGB: CSS Color 4, ITU-R BT.2087, Adobe RGB (1998).
MATRICES = {
    SRGB: np.eye(3),
    DISPLAY_P3: [[1.2249401, -0.2249402, 0], [-0.0420569, 1.0420571, 0], [-0.0196376, -0.0786361, 1.0982735]],
    BT2020: [[1.660491, -0.587641, -0.07285], [-0.12455, 1.1329, -0.008349], [-0.018151, -0.100579, 1.11873]],
    ADOBE_RGB: [[1.3982832, -0.3982832, 0], [0, 1, 0], [0, -0.0429383, 1.0429383]],
}


def shown(pixels: Pixels, primaries: Chromaticities, gamma: float | None) -> NDArray[np.float64]:
    """Return pixels as a colour-managed viewer shows them in sRGB, 0 to 255. gamma: None for the curve of sRGB."""
    values = pixels / np.iinfo(pixels.dtype).max
    curved = np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)
    light = curved if gamma is None else values**gamma
    light = (light @ np.array(MATRICES[primaries]).T).clip(0, 1)
    encoded: NDArray[np.float64] = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    return 255 * encoded


def by_profile(picture: Image.Image, profile: bytes) -> Pixels:
    """Convert a picture to sRGB by littlecms."""
    given = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    return np.asarray(ImageCms.profileToProfile(picture, given, ImageCms.createProfile("sRGB"), outputMode="RGB"))


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
