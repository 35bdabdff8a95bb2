"""Conversion of decoded pictures to sRGB."""

from io import BytesIO

import numpy as np
from PIL import Image, ImageCms
from PIL.PngImagePlugin import PngImageFile

from upscaler.pictures.icc_profiles import CMYK, GRAY, RGB, fitted, space_of
from upscaler.pictures.vips import pyvips
from upscaler.pixels import Pixels

_SRGB = ImageCms.createProfile("sRGB")
_GRAY_MODES = ("1", "L", "LA", "La")
_GRAY_OPENED_AS_COLOUR = "LA;16B"  # stored; the mode of such a PNG is RGBA
_SPACES = {"L": GRAY, "RGB": RGB, "CMYK": CMYK}  # by mode of Pillow
_MODES = {space: mode for mode, space in _SPACES.items()}


def is_usable(profile: bytes) -> bool:
    """Return True if a profile can be opened and, if it is for RGB, gray or CMYK pixels, they can be converted."""
    try:
        opened = ImageCms.ImageCmsProfile(BytesIO(profile))
        if mode := _MODES.get(space_of(profile)):
            unoptimised = ImageCms.Flags.NOOPTIMIZE  # 0.1 ms; the tables of an optimised one take 10 to 150
            ImageCms.buildTransform(opened, _SRGB, mode, "RGB", flags=unoptimised)
    except (ImageCms.PyCMSError, OSError, ValueError):
        return False
    return True


def cmyk_profile(profile: bytes | None) -> bytes:
    """Return a profile if it is one for CMYK pixels that can be used; b"" otherwise."""
    return profile if profile and space_of(profile) == CMYK and is_usable(profile) else b""


def is_gray(image: Image.Image) -> bool:
    """Return True if the pixels of a picture of Pillow have no colour."""
    if isinstance(image, PngImageFile) and image.tile and image.tile[0].args == _GRAY_OPENED_AS_COLOUR:
        return True
    return image.mode in _GRAY_MODES or image.mode.startswith("I;16")


def in_srgb(image: Image.Image, profile: bytes) -> Image.Image:
    """Convert an 8-bit picture to RGB in sRGB, without transparency.

    profile: for gray or RGB pixels; b"" for sRGB. That of CMYK is in the picture itself.
    """
    if image.mode == "CMYK":
        return cmyk_in_srgb(image)
    if image.mode == "P":
        image = image.convert("RGBA")  # Pillow warns of each palette with transparency that becomes RGB at once
    return _converted(image.convert("L" if is_gray(image) else "RGB"), profile)


def pixels_in_srgb(pixels: Pixels, profile: bytes) -> Pixels:
    """Convert pixels, HWC uint8 with 1 to 4 channels, to sRGB; gray stays gray, and transparency as it is.

    profile: for gray or RGB pixels; b"" for sRGB.
    """
    if not profile:
        return pixels
    colours = 1 if pixels.shape[2] < 3 else 3
    image = Image.fromarray(pixels[:, :, 0] if colours == 1 else np.ascontiguousarray(pixels[:, :, :3]))
    converted = np.asarray(_converted(image, profile))[:, :, :colours]
    return np.concatenate([converted, pixels[:, :, colours:]], axis=2)


def cmyk_in_srgb(image: Image.Image) -> Image.Image:
    """Convert an 8-bit CMYK picture to sRGB by its profile; as browsers do it, if it has none."""
    return _converted(image, cmyk_profile(image.info.get("icc_profile")))


def deep_cmyk_in_srgb(image: pyvips.Image) -> pyvips.Image:
    """Convert a CMYK picture of libvips, of 8 or 16 bits, to sRGB as one of Pillow is."""
    bits = 16 if image.format == "ushort" else 8
    if cmyk_profile(image.get("icc-profile-data") if image.get_typeof("icc-profile-data") else b""):
        return image.icc_transform("srgb", embedded=True, depth=bits, intent="perceptual")
    inks, black, most = image.extract_band(0, n=3), image.extract_band(3), 2**bits - 1
    light = (most - inks) * (most - black) / most
    return light.rint().cast(image.format).copy(interpretation="rgb16" if bits == 16 else "srgb")


def lab_in_srgb(image: pyvips.Image, depth: int) -> pyvips.Image:
    """Convert CIE L*a*b* of white D50, as TIFF and ICC define it, to sRGB of 8 or 16 bits."""
    return image.icc_export(output_profile="srgb", pcs="lab", intent="relative", depth=depth)


def _converted(image: Image.Image, profile: bytes) -> Image.Image:
    own = fitted(profile, _SPACES[image.mode])
    if not own:
        return image.convert("RGB")
    given = ImageCms.ImageCmsProfile(BytesIO(own))
    converted = ImageCms.profileToProfile(image, given, _SRGB, outputMode="RGB")
    assert converted is not None  # it is only if done in place
    return converted
