"""Conversion of decoded pictures to sRGB."""

import logging
from io import BytesIO

from PIL import Image, ImageCms

from upscaler.pictures.vips import pyvips

_SRGB = ImageCms.createProfile("sRGB")
_MODES_OF_PROFILES = ("L", "RGB", "CMYK")

_log = logging.getLogger(__name__)


def in_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    """Convert an 8-bit picture to sRGB; ignore a profile that is broken or of another colour space than the pixels."""
    if profile and image.mode not in _MODES_OF_PROFILES:
        image = image.convert("L" if image.mode in ("1", "LA", "La") else "RGB")
    return _by_profile(image, profile) or image.convert("RGB")


def cmyk_in_srgb(image: Image.Image, name: str) -> Image.Image:
    """Convert an 8-bit CMYK picture to sRGB, with a warning."""
    if converted := _by_profile(image, image.info.get("icc_profile")):
        _log.warning("%s: converted its CMYK colours to sRGB by its profile", name)
        return converted
    _log.warning("%s: converted its CMYK colours to sRGB approximately, without a CMYK profile", name)
    return image.convert("RGB")


def deep_cmyk_in_srgb(image: pyvips.Image, name: str) -> pyvips.Image:
    """Convert a CMYK picture to sRGB, with a warning."""
    _log.warning("%s: converted its CMYK colours to sRGB", name)
    return image.icc_transform("srgb", embedded=True, depth=16 if image.format == "ushort" else 8, intent="perceptual")


def lab_in_srgb(image: pyvips.Image, depth: int) -> pyvips.Image:
    """Convert CIE L*a*b* of white D50, as TIFF and ICC define it, to sRGB with 8 or 16 bits."""
    return image.icc_export(output_profile="srgb", pcs="lab", intent="relative", depth=depth)


def _by_profile(image: Image.Image, profile: bytes | None) -> Image.Image | None:
    """Convert a picture to sRGB; return None if its profile is missing, broken or of another colour space."""
    if not profile:
        return None
    try:
        return ImageCms.profileToProfile(image, ImageCms.ImageCmsProfile(BytesIO(profile)), _SRGB, outputMode="RGB")
    except (ImageCms.PyCMSError, OSError, ValueError):
        return None
