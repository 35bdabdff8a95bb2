"""XMP follows the picture, points at nothing that is gone, and says no place if it must not."""

import time
from contextlib import suppress
from pathlib import Path
from typing import Any
from xml.dom import minidom
from xml.etree import ElementTree
from xml.sax.saxutils import escape, quoteattr

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageOps

from support.hostile_pictures import with_xmp
from upscaler import Upscaler, double_file
from upscaler.pictures import xmp_names as ns
from upscaler.pictures.geometry import Geometry
from upscaler.pictures.reading import read_header
from upscaler.pictures.xml_tree import DEEPEST
from upscaler.pictures.xmp import LONGEST, XmpError, followed

GENEROUS = 20.0  # seconds
PREFIXES = {
    "dc": ns.DC,
    "xmp": ns.XMP,
    "xmpMM": ns.XMP_MM,
    "xmpNote": ns.XMP_NOTE,
    "stEvt": ns.RESOURCE_EVENT,
    "stDim": ns.DIMENSIONS,
    "stArea": ns.AREA,
    "tiff": ns.TIFF,
    "exif": ns.EXIF,
    "photoshop": ns.PHOTOSHOP,
    "crs": ns.CAMERA_RAW,
    "Iptc4xmpCore": ns.IPTC_CORE,
    "Iptc4xmpExt": ns.IPTC_EXT,
    "mwg-rs": ns.REGIONS,
    "MP": ns.MICROSOFT_REGIONS,
    "MPRI": ns.MICROSOFT_REGION_INFO,
    "MPReg": ns.MICROSOFT_REGION,
    "GPano": ns.PANORAMA,
    "GCamera": ns.GOOGLE_CAMERA,
    "Container": ns.CONTAINER,
    "Item": ns.CONTAINER_ITEM,
    "hdrgm": ns.GAIN_MAP,
    "drone-dji": "http://www.dji.com/drone-dji/1.0/",
    "odd": "urn:odd",
}
UPRIGHT = Geometry(1, (60, 40), (120, 80))
ORIENTATIONS = range(1, 9)
STRUCT = 'rdf:parseType="Resource"'
TEXT = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff"), max_size=20)


def dom(xmp: str | bytes) -> Any:
    """Parse XMP with another parser; Any, because each step of its types may be None."""
    return minidom.parseString(xmp)


def packet(elements: str = "", attributes: str = "") -> bytes:
    declared = "".join(f" xmlns:{prefix}={quoteattr(uri)}" for prefix, uri in PREFIXES.items())
    return (
        f'<?xpacket begin="\ufeff" id="W5M0"?><x:xmpmeta xmlns:x="{ns.META}"><rdf:RDF xmlns:rdf="{ns.RDF}">'
        f'<rdf:Description rdf:about=""{declared} {attributes}>{elements}</rdf:Description></rdf:RDF></x:xmpmeta>\n   '
        '<?xpacket end="w"?>'
    ).encode()


def result(xmp: bytes, geometry: Geometry = UPRIGHT, *, remove_location: bool = False) -> str:
    return followed(xmp, geometry, remove_location=remove_location)[0].decode()


def turned(orientation: int) -> Geometry:
    return Geometry(orientation, (60, 40), (80, 120) if orientation >= 5 else (120, 80))


def numbers(found: str, *names: str) -> list[float]:
    """The values of attributes."""
    element = dom(found)
    values = {
        attribute.name: attribute.value
        for node in element.getElementsByTagName("*")
        for attribute in node.attributes.values()
    }
    return [float(values[name]) for name in names]


def upright_box(orientation: int, box: tuple[int, int, int, int]) -> tuple[int, int, int, int]:
    """Where Pillow's turn of a picture of 60x40 puts a box of its pixels, doubled."""
    left, top, width, height = box
    pixels = np.zeros((40, 60), np.uint8)
    pixels[top : top + height, left : left + width] = 255
    image = Image.fromarray(pixels)
    image.getexif()[274] = orientation
    upright = ImageOps.exif_transpose(image)
    x0, y0, x1, y1 = np.multiply(upright.getbbox() or (), 2).tolist()
    return x0, y0, x1 - x0, y1 - y0


BOXES = st.tuples(st.integers(0, 29), st.integers(0, 19), st.integers(1, 30), st.integers(1, 20))


@given(st.sampled_from(ORIENTATIONS), BOXES)
def test_regions_turn_as_the_pixels_do(orientation: int, box: tuple[int, int, int, int]) -> None:
    left, top, width, height = box
    geometry = turned(orientation)
    full_width, full_height = geometry.target
    x, y, w, h = upright_box(orientation, box)
    area = (
        f'stArea:x="{(left + width / 2) / 60}" stArea:y="{(top + height / 2) / 40}" stArea:w="{width / 60}"'
        f' stArea:h="{height / 40}" stArea:unit="normalized"'
    )
    regions = (
        f'<mwg-rs:Regions {STRUCT}><mwg-rs:AppliedToDimensions stDim:w="60" stDim:h="40" stDim:unit="pixel"/>'
        f"<mwg-rs:RegionList><rdf:Bag><rdf:li><rdf:Description><mwg-rs:Area {area}/></rdf:Description></rdf:li>"
        "</rdf:Bag></mwg-rs:RegionList></mwg-rs:Regions>"
        f"<MPReg:Rectangle>{left / 60}, {top / 40}, {width / 60}, {height / 40}</MPReg:Rectangle>"
        f'<Iptc4xmpExt:RegionBoundary Iptc4xmpExt:rbUnit="pixel" Iptc4xmpExt:rbX="{left}" Iptc4xmpExt:rbY="{top}"'
        f' Iptc4xmpExt:rbW="{width}" Iptc4xmpExt:rbH="{height}"/>'
        f"<exif:SubjectArea><rdf:Seq><rdf:li>{left + width // 2}</rdf:li><rdf:li>{top + height // 2}</rdf:li>"
        f"<rdf:li>{width}</rdf:li><rdf:li>{height}</rdf:li></rdf:Seq></exif:SubjectArea>"
    )
    found = result(packet(regions), geometry)
    assert numbers(found, "stDim:w", "stDim:h") == [full_width, full_height]
    expected = [(x + w / 2) / full_width, (y + h / 2) / full_height, w / full_width, h / full_height]
    assert numbers(found, *(f"stArea:{name}" for name in "xywh")) == pytest.approx(expected, abs=1e-8)
    assert numbers(found, *(f"Iptc4xmpExt:rb{name}" for name in "XYWH")) == [x, y, w, h]
    rectangle = found.split("<MPReg:Rectangle>")[1].split("<")[0]
    expected = [x / full_width, y / full_height, w / full_width, h / full_height]
    assert [float(text) for text in rectangle.split(", ")] == pytest.approx(expected, abs=1e-8)
    items = dom(found).getElementsByTagName("exif:SubjectArea")[0].getElementsByTagName("rdf:li")
    area_found = [int(item.firstChild.data) for item in items]
    assert area_found[2:] == [w, h]
    centre = upright_box(orientation, (left + width // 2, top + height // 2, 1, 1))
    assert area_found[:2] == list(centre[:2])


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_polygons_and_circles_turn(orientation: int) -> None:
    geometry = turned(orientation)
    x, y, _, _ = upright_box(orientation, (12, 8, 6, 4))
    centre = geometry.turned((15 / 60, 10 / 40, 0, 0))
    vertex = (
        f"<rdf:li {STRUCT}><Iptc4xmpExt:rbX>{15 / 60}</Iptc4xmpExt:rbX><Iptc4xmpExt:rbY>{10 / 40}</Iptc4xmpExt:rbY>"
    )
    boundary = (
        f"<Iptc4xmpExt:RegionBoundary {STRUCT}><Iptc4xmpExt:rbUnit>relative</Iptc4xmpExt:rbUnit>"
        "<Iptc4xmpExt:rbRx>0.1</Iptc4xmpExt:rbRx>"
        f"<Iptc4xmpExt:rbVertices><rdf:Seq>{vertex}</rdf:li></rdf:Seq></Iptc4xmpExt:rbVertices></Iptc4xmpExt:RegionBoundary>"
    )
    found = dom(result(packet(boundary), geometry))
    width, height = geometry.target

    def said(name: str) -> float:
        return float(found.getElementsByTagName(f"Iptc4xmpExt:{name}")[0].firstChild.data)

    inner_width, inner_height = (8, 12) if orientation >= 5 else (12, 8)
    assert said("rbX") * width == pytest.approx(x + inner_width / 2)
    assert said("rbY") * height == pytest.approx(y + inner_height / 2)
    assert (said("rbX"), said("rbY")) == pytest.approx(centre[:2])
    assert said("rbRx") * width == pytest.approx(0.1 * 60 * 2)


def test_regions_that_are_said_of_the_upright_picture_are_not_turned_again() -> None:
    regions = (
        f'<mwg-rs:Regions {STRUCT}><mwg-rs:AppliedToDimensions stDim:w="40" stDim:h="60"/>'
        '<mwg-rs:RegionList><rdf:Bag><rdf:li><mwg-rs:Area stArea:x="0.25" stArea:y="0.125" stArea:unit="normalized"/>'
        "</rdf:li></rdf:Bag></mwg-rs:RegionList></mwg-rs:Regions>"
    )
    found = result(packet(regions), turned(6))
    assert numbers(found, "stDim:w", "stDim:h", "stArea:x", "stArea:y") == [80, 120, 0.25, 0.125]


def test_sizes_follow() -> None:
    said = (
        'tiff:Orientation="6" tiff:ImageWidth="60" exif:PixelXDimension="60" GPano:FullPanoWidthPixels="400"'
        ' GPano:CroppedAreaTopPixels="7" exif:FocalPlaneXResolution="3000/2" exif:FocalPlaneYResolution="1000"'
    )
    found = result(packet("<tiff:ImageLength>40</tiff:ImageLength>", said), turned(6))
    assert numbers(
        found,
        "tiff:Orientation",
        "tiff:ImageWidth",
        "exif:PixelXDimension",
        "GPano:FullPanoWidthPixels",
        "GPano:CroppedAreaTopPixels",
    ) == [1, 80, 80, 800, 14]
    assert 'exif:FocalPlaneXResolution="2000/1" exif:FocalPlaneYResolution="3000/1"' in found
    assert "<tiff:ImageLength>120</tiff:ImageLength>" in found


@pytest.mark.parametrize(("mode", "stays"), [("1", True), ("3", True), ("4", False), ("9", False)])
def test_colours_of_before_go(mode: str, stays: bool) -> None:
    stored = 'tiff:PhotometricInterpretation="5" tiff:SamplesPerPixel="4"'
    bits = f"<tiff:BitsPerSample><rdf:Seq>{'<rdf:li>8</rdf:li>' * 4}</rdf:Seq></tiff:BitsPerSample>"
    colours = f'photoshop:ColorMode="{mode}" photoshop:ICCProfile="its name"'
    expected = packet("", colours if stays else "").decode()
    assert canonical(result(packet(bits, f"{stored} {colours}"), UPRIGHT)) == canonical(expected)


@pytest.mark.parametrize("value", ["", "x", "nan", "inf", "1e999", "9" * 400, "1/0", "1, 2", ",,,"])
def test_what_is_no_number_stays(value: str) -> None:
    said = (
        f'GPano:FullPanoWidthPixels="{value}" exif:FocalPlaneXResolution="{value}" exif:FocalPlaneYResolution="{value}"'
        f' stArea:x="{value}" stArea:y="0" MPReg:Rectangle="{value}" stDim:w="{value}" stDim:h="1"'
    )
    xmp = packet(f"<mwg-rs:Regions {said}/><exif:SubjectArea><rdf:li>{value}</rdf:li></exif:SubjectArea>")
    assert canonical(result(xmp, turned(7))) == canonical(xmp.decode())


DIRECTORY = (
    '<Container:Directory><rdf:Seq><rdf:li rdf:parseType="Resource"><Container:Item Item:Semantic="Primary"/></rdf:li>'
    "{}</rdf:Seq></Container:Directory>"
)
ITEM = '<rdf:li rdf:parseType="Resource"><Container:Item Item:Semantic="{}" Item:Length="1869"/></rdf:li>'


@pytest.mark.parametrize(
    ("elements", "attributes", "said"),
    [
        (DIRECTORY.format(ITEM.format("GainMap")), 'hdrgm:Version="1.0"', ["its HDR gain map is left out"]),
        ("<hdrgm:GainMapMax><rdf:li>gone</rdf:li></hdrgm:GainMapMax>", "", ["its HDR gain map is left out"]),
        (DIRECTORY.format(ITEM.format("MotionPhoto")), "", ["the video of its motion photo is left out"]),
        (DIRECTORY.format(ITEM.format("Odd")), "", ["a file attached to it is left out"]),
        ("", 'GCamera:MotionPhoto="1" GCamera:MotionPhotoVersion="1"', ["the video of its motion photo is left out"]),
        ("", 'GCamera:MicroVideo="1" GCamera:MicroVideoOffset="4096"', ["the video of its motion photo is left out"]),
        ("", 'GCamera:MotionPhoto="0"', []),
        ("", 'xmpNote:HasExtendedXMP="0123"', ["its extended XMP is left out"]),
        ("<xmp:Thumbnails><rdf:Alt><rdf:li>gone</rdf:li></rdf:Alt></xmp:Thumbnails>", "", []),
        ("<photoshop:TextLayers><rdf:Bag/></photoshop:TextLayers>", "", []),
    ],
)  # fmt: skip
def test_what_points_at_bytes_that_are_gone_goes_and_is_said(elements: str, attributes: str, said: list[str]) -> None:
    found, warnings = followed(packet(elements, attributes + ' tiff:Make="Cam"'), UPRIGHT, remove_location=False)
    assert warnings == said
    assert canonical(found.decode()) == canonical(packet("", 'tiff:Make="Cam"').decode())


def test_a_directory_of_the_picture_alone_stays() -> None:
    xmp = packet(DIRECTORY.format(""))
    found, warnings = followed(xmp, UPRIGHT, remove_location=False)
    assert not warnings
    assert canonical(found.decode()) == canonical(xmp.decode())


# -- untouched ---------------------------------------------------------------------------------------------------------


@st.composite
def contents(draw: st.DrawFn, depth: int = 3) -> str:
    """Text, comments, CDATA, elements with attributes."""
    kinds = ["text", "comment", "cdata", "instruction"] + ["element"] * 3 * (depth > 0)
    parts = []
    for kind in draw(st.lists(st.sampled_from(kinds), max_size=4)):
        text = draw(TEXT)
        bare = "".join(character for character in text if character not in "-]>?")
        if kind == "element":
            prefix = draw(st.sampled_from(["odd", "dc", "crs"]))
            inner = draw(contents(depth=depth - 1))
            parts.append(f"<{prefix}:a odd:b={quoteattr(text)}>{inner}</{prefix}:a>")
        else:
            forms = {"text": escape(text), "comment": f"<!--{bare}-->", "cdata": f"<![CDATA[{bare}]]>"}
            parts.append(forms.get(kind, f"<?odd {bare.lstrip()}?>"))
    return "".join(parts)


@given(contents())
def test_untouched_xmp_has_the_same_infoset(content: str) -> None:
    xmp = packet(content)
    found, warnings = followed(xmp, turned(6), remove_location=False)
    assert not warnings
    assert canonical(found.decode()) == canonical(xmp.decode())
    assert followed(found, turned(6), remove_location=False) == (found, [])


def canonical(xmp: str) -> str:
    """The infoset within the root."""
    return ElementTree.canonicalize(xmp[xmp.index("<x:xmpmeta") : xmp.index("</x:xmpmeta>") + 12], with_comments=True)


def test_line_ends_that_are_written_as_entities_stay() -> None:
    found = result(packet("<dc:title>a&#13;&#10;b\r\nc</dc:title>", 'xmp:Label="a&#13;&#9;&#10;b"'))
    title = dom(found).getElementsByTagName("dc:title")[0]
    assert title.firstChild.data == "a\r\nb\nc"
    assert title.parentNode.getAttribute("xmp:Label") == "a\r\t\nb"


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-8"])
def test_encodings(encoding: str) -> None:
    text = '\ufeff<x:xmpmeta xmlns:x="adobe:ns:meta/" x:xmptk="\u00fc\u5c71&#13;&#10;"/>'
    assert dom(result(text.encode(encoding))).documentElement.getAttribute("x:xmptk") == "ü山\r\n"


# -- location ----------------------------------------------------------------------------------------------------------

PLACE_NAMES = [
    ("exif", "GPSLatitude"),
    ("exif", "GPSDestLongitude"),
    ("exif", "GPSAreaInformation"),
    ("drone-dji", "GpsLongtitude"),
    ("drone-dji", "RelativeAltitude"),
    ("drone-dji", "FlightYawDegree"),
    ("photoshop", "City"),
    ("photoshop", "State"),
    ("photoshop", "Country"),
    ("Iptc4xmpCore", "Location"),
    ("Iptc4xmpCore", "CountryCode"),
    ("Iptc4xmpCore", "CiAdrCity"),
    ("Iptc4xmpExt", "LocationShown"),
    ("Iptc4xmpExt", "LocationCreated"),
    ("crs", "latitude"),
    ("xmpMM", "shot_location"),
    ("dc", "coverage"),
    ("xmp", "Anything"),
]
ODD_WORDS = st.text("abcdefghijklmnopqrstuvwxyz", min_size=1, max_size=12)
NAMES = st.one_of(
    st.sampled_from(PLACE_NAMES),
    st.tuples(st.just("odd"), ODD_WORDS),
    st.tuples(st.sampled_from(["exif", "crs", "tiff", "xmpMM"]), ODD_WORDS.map(lambda word: f"{word}GPS{word}")),
)
FORMS = ["attribute", "element", "empty", "bag", "resource", "description", "qualified", "literal", "cdata", "entities"]
SECRET = "Zurich 4711"


def written_as(form: str, name: str) -> tuple[str, str]:
    """A property that holds SECRET, as (elements, attributes)."""
    entities = "".join(f"&#{ord(character)};" for character in SECRET)
    return {
        "attribute": ("", f'{name}="{SECRET}"'),
        "element": (f"<{name}>{SECRET}</{name}>", ""),
        "empty": (f'<{name} rdf:resource="{SECRET}"/>', ""),
        "bag": (f"<{name}><rdf:Bag><rdf:li>a</rdf:li><rdf:li>{SECRET}</rdf:li></rdf:Bag></{name}>", ""),
        "resource": (f"<{name} {STRUCT}><dc:title>{SECRET}</dc:title></{name}>", ""),
        "description": (f'<{name}><rdf:Description dc:title="{SECRET}"/></{name}>', ""),
        "qualified": (f"<dc:title {STRUCT}><rdf:value>x</rdf:value><{name}>{SECRET}</{name}></dc:title>", ""),
        "literal": (f'<{name} rdf:parseType="Literal"><b>{SECRET}</b></{name}>', ""),
        "cdata": (f"<{name}><![CDATA[{SECRET}]]></{name}>", ""),
        "entities": (f"<{name}>{entities}</{name}>", ""),
    }[form]


@st.composite
def nested(draw: st.DrawFn) -> bytes:
    prefix, local = draw(NAMES)
    elements, attributes = written_as(draw(st.sampled_from(FORMS)), f"{prefix}:{local}")
    for holder in draw(
        st.lists(st.sampled_from(["dc:title", "xmpMM:History", "mwg-rs:Regions", "odd:Box"]), max_size=3)
    ):
        inner = f"<rdf:Description {attributes}>{elements}</rdf:Description>"
        elements = f"<{holder}><rdf:Seq><rdf:li>{inner}</rdf:li></rdf:Seq></{holder}>"
        attributes = ""
    return packet(f"{elements}<!-- {SECRET} --><?odd {SECRET}?>", attributes + ' tiff:Make="Cam"')


@given(nested(), st.sampled_from(ORIENTATIONS))
def test_no_place_stays(xmp: bytes, orientation: int) -> None:
    found = result(xmp, turned(orientation), remove_location=True)
    text = dom(found).toxml()
    assert SECRET not in text and "4711" not in text
    assert 'tiff:Make="Cam"' in text


COORDINATES = [
    "geo:lat=47.3769",
    "geo:47.3769,8.5417",
    "47.3769, 8.5417",
    "47,3769; 8,5417",
    "147.3257 -42.8821",
    "at 0.3136 32.5811",
    "47° 22' 36\" N",
    "47.38°N",
    "47.3769°",
    "47,22.61N",
    "N 47.3769",
    "8.5417 E",
    "+47.3769+008.5417/",
    "GPSLatitude: 47/1",
    '{"longitude": 8.5}',
    "lng=-8",
    "https://maps.example/@47.3769,8.5417,15z",
]


def test_no_place_stays_in_comments() -> None:
    comment = f"<!-- {SECRET} --><?odd {SECRET}?>"
    xmp = comment.encode() + packet(f"<dc:title>a{comment}</dc:title>") + comment.encode()
    found = result(xmp, remove_location=True)
    assert SECRET in result(xmp) and SECRET not in found
    assert canonical(found) == canonical(packet("<dc:title>a</dc:title>").decode())


@pytest.mark.parametrize("text", COORDINATES)
def test_coordinates_in_texts_go(text: str) -> None:
    elements = f"<dc:subject><rdf:Bag><rdf:li>lake</rdf:li><rdf:li>{escape(text)}</rdf:li></rdf:Bag></dc:subject>"
    found = result(packet(elements, f"xmp:Label={quoteattr(text)}"), remove_location=True)
    assert escape(text) not in found and "lake" in found
    assert text in dom(result(packet(elements))).getElementsByTagName("rdf:li")[1].firstChild.data


@pytest.mark.parametrize(
    "text",
    [
        "20°C at noon",
        "a 45° angle",
        "1,000; 2,000 and 3,500 people",
        "0.125, 0.5, 0.25, 0.333",
        "2024-01-02 03:04",
        "1.8",
    ],
)
def test_other_numbers_in_texts_stay(text: str) -> None:
    found = result(packet(f"<dc:title>{text}</dc:title>"), remove_location=True)
    assert dom(found).getElementsByTagName("dc:title")[0].firstChild.data == text


HARMLESS = (
    'dc:format="image/jpeg" xmp:Rating="5" xmp:CreateDate="2020-01-02T03:04:05.678+01:00" tiff:Model="X-100"'
    ' exif:ExposureTime="1/250" exif:FNumber="28/10" photoshop:Credit="Agency" photoshop:AuthorsPosition="Staff"'
    ' crs:Temperature="5500" crs:CropLeft="0.125" Iptc4xmpExt:DigitalSourceType="x" GPano:PoseHeadingDegrees="12.5"'
)
HARMLESS_ELEMENTS = (
    '<dc:rights><rdf:Alt><rdf:li xml:lang="x-default">\u00a9 2024 M\u00fcller</rdf:li></rdf:Alt></dc:rights>'
    "<exif:SubjectLocation><rdf:Seq><rdf:li>5</rdf:li><rdf:li>7</rdf:li></rdf:Seq></exif:SubjectLocation>"
    "<crs:ToneCurve><rdf:Seq><rdf:li>0, 0</rdf:li><rdf:li>255, 255</rdf:li></rdf:Seq></crs:ToneCurve>"
    '<xmpMM:History><rdf:Seq><rdf:li stEvt:action="saved" stEvt:when="2020-01-02T03:04:05Z"/></rdf:Seq></xmpMM:History>'
    f'<mwg-rs:Regions {STRUCT}><mwg-rs:RegionList><rdf:Bag><rdf:li mwg-rs:Name="Ann" mwg-rs:Type="Face"/></rdf:Bag>'
    "</mwg-rs:RegionList></mwg-rs:Regions>"
)


def test_harmless_properties_stay_without_the_location() -> None:
    xmp = packet(HARMLESS_ELEMENTS, HARMLESS)
    same = Geometry(1, (60, 40), (60, 40))
    assert canonical(result(xmp, same, remove_location=True)) == canonical(xmp.decode())


def test_xmp_of_nothing_harmless_is_empty() -> None:
    assert followed(b"<odd>47</odd>", UPRIGHT, remove_location=True) == (b"", [])
    assert followed(b"", UPRIGHT, remove_location=True) == (b"", [])


# -- hostile -----------------------------------------------------------------------------------------------------------


@given(st.binary(max_size=300), st.booleans())
def test_any_bytes_are_followed_or_refused(content: bytes, remove_location: bool) -> None:
    with suppress(XmpError):
        followed(content, turned(5), remove_location=remove_location)


@given(st.dictionaries(st.integers(0, 3000), st.integers(0, 255), max_size=5), st.booleans())
def test_damaged_xmp_is_followed_or_refused(changes: dict[int, int], remove_location: bool) -> None:
    xmp = bytearray(packet(HARMLESS_ELEMENTS, HARMLESS))
    for place, value in changes.items():
        xmp[place % len(xmp)] = value
    with suppress(XmpError):
        followed(bytes(xmp), turned(5), remove_location=remove_location)


@pytest.mark.parametrize(
    "xmp",
    [
        b'<!DOCTYPE a [<!ENTITY b "bbbbbbbbbb"><!ENTITY c "&b;&b;&b;">]><a>&c;</a>',
        b'<!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>',
        b'<?xml version="1.0" encoding="utf-7"?><a/>',
        b"<a" + b" " * LONGEST + b"/>",
        b"<a>" * (DEEPEST + 1) + b"</a>" * (DEEPEST + 1),
        b"no XML",
        b"<!-- -->",
        b"<a/>\0<b/>",
    ],
)
def test_what_cannot_be_read_is_refused(xmp: bytes) -> None:
    with pytest.raises(XmpError):
        followed(xmp, UPRIGHT, remove_location=False)


def test_zeros_at_the_end_are_no_part_of_it() -> None:
    assert result(b"<a/>\0\0") == result(b"<a/>")


@pytest.mark.slow
@pytest.mark.parametrize("remove_location", [False, True])
@pytest.mark.parametrize(
    "unit", ["<p:GPSa>", "<odd:a/>", "&amp;", "<!-- -->", "<odd:a b='&lt;'/>", "<![CDATA[x]]>", "1.0", "geo", "[-+1.11"]
)
def test_a_megabyte_takes_linear_time(unit: str, remove_location: bool) -> None:
    started = time.monotonic()
    with suppress(XmpError):
        result(packet(f"<dc:title>{unit * (990_000 // len(unit))}</dc:title>"), remove_location=remove_location)
    assert time.monotonic() - started < GENEROUS


@pytest.mark.slow
@pytest.mark.parametrize("holder", ["mwg-rs:Regions", "Iptc4xmpExt:RegionBoundary", "Container:Directory"])
def test_structures_in_one_another_take_bounded_time(holder: str) -> None:
    depth = DEEPEST - 5
    inner = "<odd:a/>" * 100_000
    started = time.monotonic()
    result(packet(f"<{holder}>" * depth + inner + f"</{holder}>" * depth))
    assert time.monotonic() - started < GENEROUS


OTHER = 'xmlns:other="http://example.org/" other:Orientation="6"'


@pytest.mark.parametrize(
    ("xmp", "expected"),
    [
        (packet(attributes='tiff:Orientation="6"'), 6),
        (packet("<tiff:Orientation>8</tiff:Orientation>"), 8),
        (packet(attributes='tiff:Orientation="6"').replace(b"tiff:", b"t:").replace(b":tiff", b":t"), 6),
        (packet(attributes=OTHER).replace(b"tiff:", b"t:").replace(b":tiff", b":t").replace(b"other", b"tiff"), 1),
        (packet('<dc:description>tiff:Orientation=&quot;6" tiff:Orientation&gt;6</dc:description>'), 1),
        (packet("<odd:part><rdf:Description tiff:Orientation='6'/></odd:part>"), 1),
        (packet(attributes='tiff:Orientation="9"'), 1),
        (b'<tiff:Orientation>6 tiff:Orientation="6"', 1),
    ],
)
@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp"])
def test_only_the_property_of_the_picture_turns_it(
    upscaler: Upscaler, tmp_path: Path, xmp: bytes, expected: int, suffix: str
) -> None:
    source, target = tmp_path / f"a{suffix}", tmp_path / f"b{suffix}"
    with_xmp(source, xmp)
    assert read_header(source).orientation == expected
    list(double_file(upscaler, source, target))
    assert read_header(target).orientation == 1


def test_xmp_does_not_turn_an_avif(tmp_path: Path) -> None:
    with_xmp(tmp_path / "a.avif", packet(attributes='tiff:Orientation="6"'))
    assert read_header(tmp_path / "a.avif").orientation == 1
