"""Conversion of decoded pictures to sRGB."""

from io import BytesIO

import numpy as np
from PIL import Image, ImageCms

from upscaler.pictures.icc_profiles import CMYK, GRAY, RGB, space_of
from upscaler.pictures.vips import pyvips
from upscaler.pixels import Pixels

_SRGB = ImageCms.createProfile("sRGB")
_GRAY_MODES = ("1", "L", "LA", "La")
_MODES = {GRAY: "L", RGB: "RGB", CMYK: "CMYK"}


def is_usable(profile: bytes) -> bool:
    """Return True if a profile can be opened and, if it is for RGB, gray or CMYK pixels, they can be converted."""
    try:
        opened = ImageCms.ImageCmsProfile(BytesIO(profile))
        if mode := _MODES.get(space_of(profile)):
            ImageCms.buildTransform(opened, _SRGB, mode, "RGB")
    except (ImageCms.PyCMSError, OSError, ValueError):
        return False
    return True


def cmyk_profile(profile: bytes | None) -> bytes:
    """Return a profile if it is one for CMYK pixels that can be used; b"" otherwise."""
    return profile if profile and space_of(profile) == CMYK and is_usable(profile) else b""


def is_gray(mode: str) -> bool:
    """Return True if pixels of a mode of Pillow have no colour."""
    return mode in _GRAY_MODES or mode.startswith("I;16")


def in_srgb(image: Image.Image, profile: bytes) -> Image.Image:
    """Convert an 8-bit picture to RGB in sRGB, without transparency.

    profile: for gray or RGB pixels as the picture's are; b"" for sRGB. That of CMYK is in the picture itself.
    """
    if image.mode == "CMYK":
        return cmyk_in_srgb(image)
    return _converted(image.convert("L" if is_gray(image.mode) else "RGB"), profile)


def pixels_in_srgb(pixels: Pixels, profile: bytes) -> Pixels:
    """Convert pixels, HWC uint8 with 1 to 4 channels, to sRGB; gray stays gray, and transparency as it is.

    profile: for gray or RGB pixels as these are.
    """
    colours = 1 if pixels.shape[2] < 3 else 3
    image = Image.fromarray(pixels[:, :, 0] if colours == 1 else np.ascontiguousarray(pixels[:, :, :3]))
    converted = np.asarray(_converted(image, profile))[:, :, :colours]
    return np.concatenate([converted, pixels[:, :, colours:]], axis=2)


def cmyk_in_srgb(image: Image.Image) -> Image.Image:
    """Convert an 8-bit CMYK picture to sRGB by its profile; as browsers do it, if it has none."""
    profile = cmyk_profile(image.info.get("icc_profile"))
    return _converted(image, profile) if profile else image.convert("RGB")


def cmyk_bands_in_srgb(image: pyvips.Image) -> pyvips.Image:
    """Convert a CMYK picture of 8 or 16 bits to sRGB, as `cmyk_in_srgb` does."""
    is_deep = image.format == "ushort"
    if cmyk_profile(image.get("icc-profile-data") if image.get_typeof("icc-profile-data") else b""):
        return image.icc_transform("srgb", embedded=True, depth=16 if is_deep else 8, intent="perceptual")
    most, inks, black = 65_535 if is_deep else 255, image.extract_band(0, n=3), image.extract_band(3)
    light = (most - inks) * (most - black) / most
    return light.rint().cast(image.format).copy(interpretation="rgb16" if is_deep else "srgb")


def lab_in_srgb(image: pyvips.Image, depth: int) -> pyvips.Image:
    """Convert CIE L*a*b* of white D50, as TIFF and ICC define it, to sRGB of 8 or 16 bits."""
    return image.icc_export(output_profile="srgb", pcs="lab", intent="relative", depth=depth)


def _converted(image: Image.Image, profile: bytes) -> Image.Image:
    if not profile:
        return image.convert("RGB")
    given = ImageCms.ImageCmsProfile(BytesIO(profile))
    converted = ImageCms.profileToProfile(image, given, _SRGB, outputMode="RGB")
    assert converted is not None  # it is only if done in place
    return converted
