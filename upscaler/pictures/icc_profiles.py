"""ICC profiles made from primaries and a transfer curve, and fitted to gray or RGB pixels.

Format: ICC.1:2010 (profile version 4.3), https://www.color.org/specification/ICC1v43_2010-12.pdf
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

RGB, GRAY, CMYK = b"RGB ", b"GRAY", b"CMYK"

_LENGTH, _MAJOR_VERSION, _UNIT = slice(0, 4), slice(8, 9), 4  # lengths are multiples from version 4 on
_SPACE, _CONNECTION = slice(16, 20), slice(20, 24)  # of the header: the pixels' colour space, and the reference's
_HEADER, _ENTRY, _VERSION = 128, 12, 0x04300000
_XYZ = b"XYZ "
_MOST_TAGS = 100  # printer profiles have 20
_D50 = np.array([0.9642, 1.0, 0.8249])
_BRADFORD = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])
_MOST_COLOURANT = 10.0  # of an honest matrix: below 2
_GRAY_CURVE, _RGB_CURVES = b"kTRC", (b"rTRC", b"gTRC", b"bTRC")

_Matrix = NDArray[np.float64]
_Point = tuple[float, float]


@dataclass(frozen=True)
class Curve:
    """Transfer curve from an encoded value x to light: (a x + b) ** gamma from d on, c x below."""

    gamma: float
    a: float = 1.0
    b: float = 0.0
    c: float = 0.0
    d: float = 0.0


class Chromaticities(NamedTuple):
    """Chromaticities x, y of the primaries and of white."""

    red: _Point
    green: _Point
    blue: _Point
    white: _Point


D65 = (0.3127, 0.329)
SRGB = Chromaticities((0.64, 0.33), (0.3, 0.6), (0.15, 0.06), D65)
SRGB_CURVE = Curve(2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)
ADOBE_RGB = Chromaticities((0.64, 0.33), (0.21, 0.71), (0.15, 0.06), D65)
ADOBE_RGB_CURVE = Curve(563 / 256)


def rgb_profile(primaries: Chromaticities, curve: Curve) -> bytes:
    """Make the profile of an RGB space. Raises ValueError if the primaries span none."""
    return _rgb_profile(primaries, _parametric(curve))


def space_of(profile: bytes) -> bytes:
    """Return the signature of the colour space of the pixels that a profile is for: RGB, GRAY, CMYK or another."""
    return profile[_SPACE]


def sized(profile: bytes) -> bytes:
    """Return a profile of the length that its header says, without tags that lie beyond its end, as libpng demands."""
    profile = _with_whole_tags(profile)
    end = max((place + length for _, place, length in _tags(profile)), default=0)
    is_aligned = profile[_MAJOR_VERSION] < b"\4" or len(profile) % _UNIT == 0
    if int.from_bytes(profile[_LENGTH], "big") == len(profile) and is_aligned:
        return profile
    length = end + -end % _UNIT
    return (length.to_bytes(4, "big") + profile[4:end]).ljust(length, b"\0")


def _with_whole_tags(profile: bytes) -> bytes:
    tags = list(_tags(profile))
    whole = [struct.pack(">4sII", *tag) for tag in tags if tag[1] + tag[2] <= len(profile)]
    if len(whole) == len(tags):
        return profile
    table = (struct.pack(">I", len(whole)) + b"".join(whole)).ljust(4 + _ENTRY * len(tags), b"\0")
    return profile[:_HEADER] + table + profile[_HEADER + len(table) :]


def fitted(profile: bytes, space: bytes) -> bytes:
    """Return a profile by which pixels of `space`, RGB or GRAY, look the same when gray and RGB were exchanged.

    The result is empty if there is none: `profile` is for neither, or has tables in place of one curve.
    """
    if space_of(profile) == space:
        return profile
    if profile[_CONNECTION] != _XYZ:
        return b""
    if (space_of(profile), space) == (GRAY, RGB) and (curve := _tag(profile, _GRAY_CURVE)):
        return _rgb_profile(SRGB, curve)
    curves = {_tag(profile, name) for name in _RGB_CURVES}
    if (space_of(profile), space) == (RGB, GRAY) and len(curves) == 1 and (curve := curves.pop()):
        return _profile(GRAY, {_GRAY_CURVE: curve})
    return b""


def _rgb_profile(primaries: Chromaticities, curve: bytes) -> bytes:
    colourants = _colourants(primaries)
    columns = {name: _xyz(column) for name, column in zip((b"rXYZ", b"gXYZ", b"bXYZ"), colourants.T, strict=True)}
    adaptation = {b"chad": b"sf32\0\0\0\0" + _fixed(*_adaptation(_white(primaries)).flat)}
    return _profile(RGB, columns | dict.fromkeys(_RGB_CURVES, curve) | adaptation)


def _colourants(primaries: Chromaticities) -> _Matrix:
    """Return the matrix from linear RGB to XYZ under D50."""
    columns = np.array([_light(point) for point in primaries[:3]]).T
    white = _white(primaries)
    try:
        with np.errstate(divide="raise", invalid="raise", over="raise"):
            matrix: _Matrix = _adaptation(white) @ (columns * np.linalg.solve(columns, white))
    except (np.linalg.LinAlgError, FloatingPointError) as error:
        raise ValueError("its primaries lie on a line") from error
    if not np.abs(matrix).max() < _MOST_COLOURANT:  # also if not a number
        raise ValueError("its primaries span no colour space")
    return matrix


def _white(primaries: Chromaticities) -> _Matrix:
    return _light(primaries.white)


def _light(point: _Point) -> _Matrix:
    """Return XYZ of a chromaticity, with a luminance of 1."""
    x, y = point
    if not y > 0:
        raise ValueError("its primaries are no colours")
    return np.array([x / y, 1.0, (1 - x - y) / y])


def _adaptation(white: _Matrix) -> _Matrix:
    """Return the matrix that adapts XYZ from a white point to D50, by Bradford."""
    gains = (_BRADFORD @ _D50) / (_BRADFORD @ white)
    matrix: _Matrix = np.linalg.inv(_BRADFORD) @ np.diag(gains) @ _BRADFORD
    return matrix


def _profile(space: bytes, tags: dict[bytes, bytes]) -> bytes:
    """Lay out a display profile; equal tags share their bytes."""
    tags = {b"desc": _text("Colour of the source picture"), b"cprt": _text("No copyright")} | tags
    tags[b"wtpt"] = _xyz(_D50)
    place = _HEADER + 4 + _ENTRY * len(tags)
    table, content, places = struct.pack(">I", len(tags)), b"", dict[bytes, int]()
    for name, data in tags.items():
        if data not in places:
            places[data] = place + len(content)
            content += data + bytes(-len(data) % 4)
        table += struct.pack(">4sII", name, places[data], len(data))
    header = struct.pack(">I4xI4s4s4s", place + len(content), _VERSION, b"mntr", space, _XYZ)
    header += struct.pack(">6H4s28x", 2025, 1, 1, 0, 0, 0, b"acsp") + _fixed(*_D50)
    return header.ljust(_HEADER, b"\0") + table + content


def _parametric(curve: Curve) -> bytes:
    return b"para" + struct.pack(">4xHH", 3, 0) + _fixed(curve.gamma, curve.a, curve.b, curve.c, curve.d)


def _xyz(colour: _Matrix) -> bytes:
    return _XYZ + bytes(4) + _fixed(*colour)


def _text(text: str) -> bytes:
    encoded = text.encode("utf-16-be")
    return b"mluc" + struct.pack(">4xII4sII", 1, 12, b"enUS", len(encoded), 28) + encoded


def _fixed(*values: float) -> bytes:
    """Encode numbers of 16 bits before and after the point."""
    return struct.pack(f">{len(values)}i", *(round(value * 65536) for value in values))


def _tag(profile: bytes, name: bytes) -> bytes:
    """Return the content of a tag; b"" if the profile has none."""
    return next((profile[place : place + length] for found, place, length in _tags(profile) if found == name), b"")


def _tags(profile: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Yield name, place and length of each tag."""
    count = int.from_bytes(profile[_HEADER : _HEADER + 4], "big")
    end = _HEADER + 4 + _ENTRY * min(count, _MOST_TAGS)
    table = profile[_HEADER + 4 : end]
    return struct.iter_unpack(">4sII", table[: len(table) // _ENTRY * _ENTRY])
