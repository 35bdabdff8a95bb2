"""Names and texts of metadata that say where a photo was taken."""

import re

_LONG_WORDS = re.compile(
    r"gps|latitude|longitude|longtitude|altitude|location|country|province|coordinate|address|latlon|latlng|postal"
    r"|municipality|geotag|geohash|elevation|toponym|landmark|village|street",
    re.IGNORECASE,
)
_SHORT_WORDS = re.compile(
    r"lat|lon|lng|long|alt|geo|city|state|town|county|region|places?|position|venue|where|zip|postcode|poi|district"
    r"|suburb|neighbou?rhood|coverage|continent|nation|home",
    re.IGNORECASE,
)
_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")

_FRACTION = r"(?:\.\d{3,12}|,\d{4,12})"  # of a degree, to 100 m
_GAP = r"[\s,;/|]{1,3}"
_COORDINATES = re.compile(
    # geo:lat=47.1, "lon": 8.2
    r"\b(?i:(?:gps|geo)\w{0,20}|lat|latitude|lon|lng|long|longitude)[\"']?\s{0,3}[:=]\s{0,3}[\"']?[-+]?\d"
    # 47° 7' 24", 47.12°N, 47.123°; but not 20°C
    r"|\d\s{0,3}(?:\u00b0|\u00ba|deg\b)\s{0,3}(?:\d|[NSEW]\b)|\d\.\d{3,12}\s{0,3}[\u00b0\u00ba]"
    # 47,7.4N, as XMP writes it
    r"|\d,\d{1,2}(?:[.,]\d{1,12})?[NSEW]\b"
    # 47.123 N, N 47.123
    rf"|\d{_FRACTION}\s{{0,3}}[NSEW]\b|\b[NSEW]\s{{0,3}}\d{{1,3}}{_FRACTION}"
    # +47.123+008.456/ (ISO 6709)
    r"|[-+]\d{2,6}\.\d{2,12}[-+]\d{3,7}\.\d"
    # 47.123, 8.456; but no fractions of a picture, which are both below 1
    rf"|[1-9]\d?{_FRACTION}{_GAP}[-+]?\d{{1,3}}{_FRACTION}|\b0{_FRACTION}{_GAP}[-+]?[1-9]\d{{0,2}}{_FRACTION}"
)


def names_place(name: str) -> bool:
    """Return True if the name of a property has a word for a place or a coordinate."""
    return bool(_LONG_WORDS.search(name)) or any(map(_SHORT_WORDS.fullmatch, _WORD.findall(name)))


def holds_coordinates(text: str) -> bool:
    """Return True if a text has what looks like coordinates; a place's name is not recognised."""
    return bool(_COORDINATES.search(text))
