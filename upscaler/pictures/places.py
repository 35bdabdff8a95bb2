"""Names and texts of metadata that say where a photo was taken."""

import re

_LONG_WORDS = (
    *("gps", "latitude", "longitude", "longtitude", "altitude", "elevation", "latlon", "latlng", "coordinate"),
    *("geotag", "geohash", "toponym", "location", "country", "province", "municipality", "village", "street"),
    *("address", "postal", "landmark"),
)
_SHORT_WORDS = {
    *("lat", "lon", "lng", "long", "alt", "geo", "city", "state", "town", "county", "region", "place", "places"),
    *("position", "venue", "where", "zip", "postcode", "poi", "district", "suburb", "neighborhood", "neighbourhood"),
    *("coverage", "continent", "nation", "home"),
}


def names_place(name: str) -> bool:
    """Return True if the name of a property has a word for a place or a coordinate."""
    words = re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", name)
    return any(long in name.lower() for long in _LONG_WORDS) or any(word.lower() in _SHORT_WORDS for word in words)


def holds_coordinates(text: str) -> bool:
    """Return True if a text has what looks like coordinates, to 100 m; a place's name is not recognised."""
    found = re.search(
        # geo:lat=47.1, "lon": 8.2
        r"\b(?i:(?:gps|geo)\w{0,20}|lat|latitude|lon|lng|long|longitude)[\"']?\s{0,3}[:=]\s{0,3}[\"']?[-+]?\d"
        # 47° 7' 24", 47.12°N, 47.123°; but not 20°C
        r"|\d\s{0,3}(?:\u00b0|\u00ba|deg\b)\s{0,3}(?:\d|[NSEW]\b)|\d\.\d{3,12}\s{0,3}[\u00b0\u00ba]"
        # 47,7.4N, as XMP writes it
        r"|\d,\d{1,2}(?:[.,]\d{1,12})?[NSEW]\b"
        # 47.123 N, N 47.123
        r"|\d(?:\.\d{3,12}|,\d{4,12})\s{0,3}[NSEW]\b|\b[NSEW]\s{0,3}\d{1,3}(?:\.\d{3}|,\d{4})"
        # +47.123+008.456/ (ISO 6709)
        r"|[-+]\d{2,6}\.\d{2,12}[-+]\d{3,7}\.\d"
        # 47.123, 8.456; but no fractions of a picture, which are both below 1
        r"|[1-9]\d?(?:\.\d{3,12}|,\d{4,12})[\s,;/|]{1,3}[-+]?\d{1,3}(?:\.\d{3}|,\d{4})"
        r"|\b0(?:\.\d{3,12}|,\d{4,12})[\s,;/|]{1,3}[-+]?[1-9]\d{0,2}(?:\.\d{3}|,\d{4})",
        text,
    )
    return found is not None
