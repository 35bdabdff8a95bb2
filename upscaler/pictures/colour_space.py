"""The colour space of a file's pixels, by the means that has precedence, as an ICC profile."""

import struct
from collections.abc import Mapping
from dataclasses import dataclass

from PIL import Image

from upscaler.pictures.cicp import HDR
from upscaler.pictures.cicp import profile_of as numbered_profile
from upscaler.pictures.colour import cmyk_profile, is_gray, is_usable
from upscaler.pictures.decoding import Source, file_of
from upscaler.pictures.exif_colour import is_adobe_rgb
from upscaler.pictures.icc_profiles import (
    ADOBE_RGB,
    ADOBE_RGB_CURVE,
    D65,
    GRAY,
    RGB,
    SRGB,
    SRGB_CURVE,
    Chromaticities,
    Curve,
    fitted,
    rgb_profile,
    sized,
    space_of,
)
from upscaler.pictures.iso_boxes import nclx_of
from upscaler.pictures.png_chunks import read_chunks
from upscaler.pictures.png_file import CHROMATICITIES, CODE_POINTS, COLOUR, GAMMA, INTENT, PROFILE, Chunk
from upscaler.pictures.png_texts import profile_in

_LONGEST_PROFILE = 5_000_000  # bytes; printer profiles have 3 million
_UNIT = 100_000  # of gamma and chromaticities in a PNG
_RGB_FULL_RANGE = (0, 1)  # as decoded
_LEAST_GAMMA, _MOST_GAMMA = 0.1, 10.0  # of a display


@dataclass(frozen=True)
class Means:
    """Colour that a file states; empty or None: nothing.

    gray: True if its pixels have no colour. profile: of ICC. chunks: of a PNG, which have its ICC profile, too.
    numbers: primaries and transfer of ITU-T H.273, of an AVIF or HEIC. exif: from the header of TIFF on.
    """

    gray: bool
    profile: bytes = b""
    chunks: tuple[Chunk, ...] = ()
    numbers: tuple[int, int] | None = None
    exif: bytes = b""


@dataclass(frozen=True)
class Colour:
    """Colour space of pixels.

    profile: of ICC, for RGB or gray as the pixels are; b"" for sRGB, or if the file says nothing. hdr: "PQ" or "HLG"
    if that is the curve, "" otherwise; HDR has no profile. chunks: what a PNG of these pixels says, if the file is a
    PNG or HDR. warnings: a sentence each on what was left out.
    """

    profile: bytes = b""
    hdr: str = ""
    chunks: tuple[Chunk, ...] = ()
    warnings: tuple[str, ...] = ()


def read_colour(image: Image.Image, source: Source, exif: bytes) -> Colour:
    """Return the colour space of the decoded pixels of an opened file. exif: of the file."""
    profile = image.info.get("icc_profile") or b""
    if image.mode == "CMYK":
        return cmyk_colour(profile, exif)
    with file_of(source) as file:
        chunks = read_chunks(file, COLOUR).chunks if image.format == "PNG" else ()
        numbers = nclx_of(file) if image.format in ("AVIF", "HEIF") else None
    return colour_by(Means(is_gray(image), profile, tuple(chunks), numbers, exif))


def cmyk_colour(profile: bytes, exif: bytes) -> Colour:
    """Return the colour space of decoded CMYK pixels. profile: of the CMYK. exif: of the file."""
    how = "by its profile" if cmyk_profile(profile) else "approximately, without a CMYK profile"
    return converted_colour(f"CMYK colours to sRGB {how}", exif)


def converted_colour(conversion: str, exif: bytes) -> Colour:
    """Return the colour space of pixels that decoding has brought to sRGB. conversion: what became what."""
    return Colour(_srgb_beside(exif), warnings=(f"converted its {conversion}",))


def colour_by(means: Means) -> Colour:
    """Return the colour space that a file says.

    In this order: number codes of a PNG, ICC profile, the name sRGB, gamma and chromaticities, number codes of an AVIF
    or HEIC, EXIF. PNG, third edition, 4.3; MIAF (ISO/IEC 23000-22), 7.3.6.4.
    """
    said = {chunk.kind: chunk.data for chunk in means.chunks}
    given = profile_in(said[PROFILE]) if PROFILE in said else means.profile
    profile, warnings = _checked(given, means.gray) if given or PROFILE in said else (b"", ())
    found, hdr = _first(said, profile, means)
    found = found if found or hdr else _srgb_beside(means.exif)
    kept = tuple(chunk for chunk in means.chunks if chunk.kind != PROFILE or profile == given != b"")
    if hdr and means.numbers:
        kept = (Chunk(CODE_POINTS, bytes([*means.numbers, *_RGB_FULL_RANGE])),)
    return Colour(fitted(found, GRAY if means.gray else RGB), hdr, kept, warnings)


def _first(said: Mapping[bytes, bytes], profile: bytes, means: Means) -> tuple[bytes, str]:
    """Return profile and name of an HDR curve by the first means that says one."""
    if CODE_POINTS in said and (found := _by_numbers(*said[CODE_POINTS][:2])):
        return found
    if profile:
        return profile, ""
    if INTENT in said:
        return b"", ""
    if GAMMA in said or CHROMATICITIES in said:
        return _by_gamma(said.get(GAMMA, b""), said.get(CHROMATICITIES, b"")), ""
    if means.numbers and (found := _by_numbers(*means.numbers)):
        return found
    return rgb_profile(ADOBE_RGB, ADOBE_RGB_CURVE) if is_adobe_rgb(means.exif) else b"", ""


def _srgb_beside(exif: bytes) -> bytes:
    """Return the profile of sRGB if EXIF says another space: in a file without a profile, EXIF would hold."""
    return rgb_profile(SRGB, SRGB_CURVE) if is_adobe_rgb(exif) else b""


def _by_numbers(primaries: int, transfer: int) -> tuple[bytes, str] | None:
    profile, hdr = numbered_profile(primaries, transfer), HDR.get(transfer, "")
    return None if profile is None and not hdr else (profile or b"", hdr)


def _by_gamma(gamma: bytes, chromaticities: bytes) -> bytes:
    """Return the profile by numbers of a PNG; what is missing or impossible is taken for that of sRGB."""
    exponent = _UNIT / (int.from_bytes(gamma, "big") or _UNIT * _UNIT)
    curve = Curve(exponent) if _LEAST_GAMMA <= exponent <= _MOST_GAMMA else SRGB_CURVE
    numbers = [value / _UNIT for (value,) in struct.iter_unpack(">I", chromaticities)]
    white, red, green, blue = zip(numbers[::2], numbers[1::2], strict=True) if numbers else (D65, *SRGB[:3])
    try:
        return rgb_profile(Chromaticities(red, green, blue, white), curve)
    except ValueError:
        return rgb_profile(SRGB, curve)


def _checked(profile: bytes, gray: bool) -> tuple[bytes, tuple[str, ...]]:
    """Return an ICC profile that fits the pixels, or b"" and a warning."""
    if len(profile) > _LONGEST_PROFILE:
        return b"", (f"dropped its colour profile, which has {len(profile):,} bytes",)
    profile = sized(profile)
    if not is_usable(profile):
        return b"", ("dropped its colour profile, which is broken",)
    found = fitted(profile, GRAY) if gray else profile
    if not fitted(found, RGB) or (space_of(profile) != RGB and not gray):
        return b"", (f"dropped its colour profile, which is not for {'gray' if gray else 'RGB'} pixels",)
    return found, ()
