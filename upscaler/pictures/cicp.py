"""Colour by coding-independent code points, as PNG (cICP), AVIF and HEIC (nclx) name it.

Numbers and formulas: ITU-T H.273 (07/2024), tables 2 and 3.
"""

from upscaler.pictures.icc_profiles import D65, SRGB, SRGB_CURVE, Chromaticities, Curve, rgb_profile

HDR = {16: "PQ", 18: "HLG"}  # transfers of absolute or scene light, which no display profile of 8 bits stands for

_C, _DCI = (0.310, 0.316), (0.314, 0.351)  # white points
_SMPTE_170M = Chromaticities((0.63, 0.34), (0.31, 0.595), (0.155, 0.07), D65)
_PRIMARIES = {
    1: SRGB,
    2: SRGB,  # unspecified
    4: Chromaticities((0.67, 0.33), (0.21, 0.71), (0.14, 0.08), _C),
    5: Chromaticities((0.64, 0.33), (0.29, 0.6), (0.15, 0.06), D65),
    6: _SMPTE_170M,
    7: _SMPTE_170M,
    8: Chromaticities((0.681, 0.319), (0.243, 0.692), (0.145, 0.049), _C),
    9: Chromaticities((0.708, 0.292), (0.17, 0.797), (0.131, 0.046), D65),
    11: Chromaticities((0.68, 0.32), (0.265, 0.69), (0.15, 0.06), _DCI),
    12: Chromaticities((0.68, 0.32), (0.265, 0.69), (0.15, 0.06), D65),
    22: Chromaticities((0.63, 0.34), (0.295, 0.605), (0.155, 0.077), D65),
}
# The curves of video (1, 6, 14, 15) are those of cameras. Their inverse is no display's; browsers show sRGB's instead.
_CURVES = {
    1: SRGB_CURVE,
    2: SRGB_CURVE,  # unspecified
    4: Curve(2.2),
    5: Curve(2.8),
    6: SRGB_CURVE,
    7: Curve(1 / 0.45, 1 / 1.1115, 0.1115 / 1.1115, 1 / 4, 0.0912),
    8: Curve(1.0),
    13: SRGB_CURVE,
    14: SRGB_CURVE,
    15: SRGB_CURVE,
    17: Curve(2.6, (52.37 / 48) ** (1 / 2.6)),
}


def profile_of(primaries: int, transfer: int) -> bytes | None:
    """Return the profile of a colour space by its numbers: b"" for sRGB, None for HDR and unknown numbers."""
    space, curve = _PRIMARIES.get(primaries), _CURVES.get(transfer)
    if space is None or curve is None:
        return None
    return b"" if (space, curve) == (SRGB, SRGB_CURVE) else rgb_profile(space, curve)
