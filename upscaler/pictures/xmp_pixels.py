"""Properties of XMP that describe pixels or name places in the picture: sizes, colours, panoramas and regions.

Regions are described in the guidelines of the Metadata Working Group 2.0, section 5.9, Microsoft's "People tagging
overview" and the IPTC Photo Metadata Standard 2019.2.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from fractions import Fraction

from upscaler.pictures import xmp_names as ns
from upscaler.pictures.geometry import Box, Geometry, Size
from upscaler.pictures.xml_tree import Attribute, Document, Element, Name

Part = Attribute | Element

_LENGTHS = {  # pixels of the panorama, by the axis of which they are
    "CroppedAreaImageWidthPixels": 0,
    "CroppedAreaLeftPixels": 0,
    "FullPanoWidthPixels": 0,
    "LargestValidInteriorRectLeft": 0,
    "LargestValidInteriorRectWidth": 0,
    "CroppedAreaImageHeightPixels": 1,
    "CroppedAreaTopPixels": 1,
    "FullPanoHeightPixels": 1,
    "LargestValidInteriorRectTop": 1,
    "LargestValidInteriorRectHeight": 1,
}
_STORAGE = {(ns.TIFF, name) for name in ("BitsPerSample", "PhotometricInterpretation", "SamplesPerPixel")}
_COLOUR_MODE, _PROFILE = (ns.PHOTOSHOP, "ColorMode"), (ns.PHOTOSHOP, "ICCProfile")
_CONVERTED = {"4", "9"}  # colour modes that no result has: CMYK and Lab
_LARGEST = 10**9  # of numbers that are changed
_DECIMALS = 9


def follow(document: Document, geometry: Geometry) -> None:
    """Change what describes pixels as the picture is changed; what is no number stays."""
    _leave_out_colours(document.root)
    values = _sizes(geometry)
    for element in document.root.walk():
        for part in element.parts:
            namespace, local = part.name
            if part.name in values:
                part.value = values[part.name]
            elif part.name == (ns.MICROSOFT_REGION, "Rectangle"):
                _follow_rectangle(part, geometry)
            elif namespace == ns.PANORAMA and local in _LENGTHS:
                _scale(part, geometry.scale[_LENGTHS[local]])
        _follow_focal_plane(element.fields, geometry)
    for name, change in _STRUCTURES.items():
        for structure in document.root.outermost(name):
            change(structure, geometry)


def _leave_out_colours(root: Element) -> None:
    """Leave out how pixels were stored, and of a picture that was converted to sRGB also its colours and profile."""
    modes = {part.value for element in root.walk() for part in element.parts if part.name == _COLOUR_MODE}
    gone = _STORAGE | ({_COLOUR_MODE, _PROFILE} if modes & _CONVERTED else set())
    root.prune(lambda part: part.name in gone)


def _sizes(geometry: Geometry) -> dict[Name, str]:
    width, height = (f"{length:.0f}" for length in geometry.target)
    return {
        ns.ORIENTATION: "1",
        (ns.TIFF, "ImageWidth"): width,
        (ns.TIFF, "ImageLength"): height,
        (ns.EXIF, "PixelXDimension"): width,
        (ns.EXIF, "PixelYDimension"): height,
    }


def _scale(part: Part, scale: float) -> None:
    number = _number(part)
    if number is not None:
        part.value = f"{number * scale:.0f}"


def _follow_focal_plane(fields: dict[Name, Part], geometry: Geometry) -> None:
    """Pixels a unit of the sensor: across and down change places with the sides."""
    parts = [fields.get((ns.EXIF, f"FocalPlane{axis}Resolution")) for axis in "XY"]
    across, down = (_fraction(part) for part in parts)
    if across and down:
        if geometry.transposed:
            across, down = down, across
        for part, value, scale in zip(parts, (across, down), geometry.scale, strict=True):
            if part is not None:
                scaled = (value * Fraction(scale)).limit_denominator(_LARGEST)
                part.value = f"{scaled.numerator}/{scaled.denominator}"


def _follow_points(points: Element, geometry: Geometry) -> None:
    """The subject: its centre, then nothing, a diameter, or width and height, in pixels."""
    items = [element for element in points.walk() if element.name == (ns.RDF, "li")]
    numbers = [number for number in map(_number, items) if number is not None]
    if len(numbers) != len(items) or len(numbers) not in (2, 3, 4):
        return
    for item, value in zip(items, geometry.subject(numbers), strict=True):
        item.value = str(value)


def _follow_regions(regions: Element, geometry: Geometry) -> None:
    sizes = list(_sizes_applied_to(regions))
    if any(_is_upright(size, geometry) for size, _ in sizes):
        geometry = replace(geometry, orientation=1, source=geometry.upright(geometry.source))
    for size, (width, height) in sizes:
        for field, value in zip((width, height), geometry.scaled(size), strict=True):
            field.value = f"{value:.0f}"
    for element in regions.walk():
        fields = element.fields
        move = geometry.placed if _is_pixel(fields.get((ns.AREA, "unit"))) else geometry.turned
        _move([fields.get((ns.AREA, name)) for name in "xywh"], _centred(move))


def _sizes_applied_to(regions: Element) -> Iterator[tuple[Size, tuple[Part, Part]]]:
    """The sizes in pixels that areas are said to refer to, and the fields that say them."""
    for element in regions.walk():
        fields = element.fields
        width, height = fields.get((ns.DIMENSIONS, "w")), fields.get((ns.DIMENSIONS, "h"))
        across, down = _number(width), _number(height)
        if width and height and across is not None and down is not None:
            yield (across, down), (width, height)


def _is_upright(applied_to: Size, geometry: Geometry) -> bool:
    """Return True if regions are said of the picture turned upright: guidelines say as stored, some programs do not."""
    stored, (width, height) = geometry.source, applied_to
    return geometry.transposed and (width - height) * (stored[0] - stored[1]) < 0


def _follow_rectangle(part: Part, geometry: Geometry) -> None:
    """Microsoft's "left, top, width, height", from 0 to 1."""
    numbers = [number for text in part.value.split(",") if (number := _finite(text)) is not None]
    if geometry.orientation != 1 and len(numbers) == 4 == part.value.count(",") + 1:
        left, top, width, height = numbers
        part.value = ", ".join(map(_decimal, geometry.turned((left, top, width, height))))


def _follow_boundary(boundary: Element, geometry: Geometry) -> None:
    """A rectangle by its corner, a circle by its centre, or a polygon by its vertices."""
    elements = list(boundary.walk())
    units = [unit for element in elements if (unit := element.fields.get((ns.IPTC_EXT, "rbUnit")))]
    in_pixels = any(map(_is_pixel, units))
    for element in elements:
        fields = element.fields
        corner_and_size = [fields.get((ns.IPTC_EXT, f"rb{name}")) for name in "XYWH"]
        _move(corner_and_size, geometry.placed if in_pixels else geometry.turned)
        radius = fields.get((ns.IPTC_EXT, "rbRx"))
        if radius is not None and (number := _number(radius)) is not None:
            _set(radius, number, number * _radius_scale(geometry, in_pixels))


def _radius_scale(geometry: Geometry, in_pixels: bool) -> float:
    """A relative radius counts widths of the picture."""
    if in_pixels:
        return geometry.scale[0]
    return geometry.source[0] / geometry.source[1] if geometry.transposed else 1.0


def _is_pixel(unit: Part | None) -> bool:
    return unit is not None and unit.value.strip().lower() == "pixel"


def _move(parts: list[Part | None], move: Callable[[Box], Box]) -> None:
    """Change the fields of a box; a point has neither width nor height."""
    numbers = [_number(part) for part in parts]
    left, top = numbers[:2]
    if left is None or top is None:
        return
    box = (left, top, numbers[2] or 0.0, numbers[3] or 0.0)
    for part, before, after in zip(parts, box, move(box), strict=True):
        if part is not None:
            _set(part, before, after)


def _centred(move: Callable[[Box], Box]) -> Callable[[Box], Box]:
    """Make of a change of boxes one of boxes that are given by their centres."""

    def moved(box: Box) -> Box:
        x, y, width, height = box
        left, top, width, height = move((x - width / 2, y - height / 2, width, height))
        return left + width / 2, top + height / 2, width, height

    return moved


def _set(part: Part, before: float, after: float) -> None:
    """Write a number; one that stays, stays as it was written."""
    if not math.isclose(before, after, rel_tol=0, abs_tol=10**-_DECIMALS):
        part.value = _decimal(after)


def _decimal(number: float) -> str:
    rounded = round(number, _DECIMALS) + 0.0  # no -0
    return f"{rounded:.{_DECIMALS}f}".rstrip("0").rstrip(".")


def _number(part: Part | None) -> float | None:
    return None if part is None else _finite(part.value)


def _finite(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if abs(number) < _LARGEST else None


def _fraction(part: Part | None) -> Fraction | None:
    """Read a rational number as XMP writes it, "3000/2"."""
    above, _, below = part.value.partition("/") if part else ("", "", "")
    numbers = _finite(above), _finite(below or "1")
    if not numbers[0] or not numbers[1]:
        return None
    return Fraction(numbers[0]) / Fraction(numbers[1])


_STRUCTURES: dict[Name, Callable[[Element, Geometry], None]] = {
    (ns.REGIONS, "Regions"): _follow_regions,
    (ns.IPTC_EXT, "RegionBoundary"): _follow_boundary,
    (ns.EXIF, "SubjectArea"): _follow_points,
    (ns.EXIF, "SubjectLocation"): _follow_points,
}
