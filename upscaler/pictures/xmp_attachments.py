"""Properties of XMP that point at files beside the picture or count their bytes: gain maps, motion videos and others.

The result holds the picture alone, so they go.
"""

from upscaler.pictures import xmp_names as ns
from upscaler.pictures.xml_tree import Attribute, Document, Element, Name

GAIN_MAP = "its HDR gain map is left out"
_DEPTH_MAP = "its depth map is left out"
_MOTION = "the video of its motion photo is left out"
_OTHER = "a file attached to it is left out"
# By namespace.
_NAMESPACES = {
    ns.GAIN_MAP: GAIN_MAP,
    ns.APPLE_GAIN_MAP: GAIN_MAP,
    ns.DEPTH_MAP: _DEPTH_MAP,
    ns.GOOGLE_IMAGE: "the second picture in it is left out",
    ns.GOOGLE_AUDIO: "its sound is left out",
}
_NAMES = {
    (ns.XMP_NOTE, "HasExtendedXMP"): "its extended XMP is left out",
    (ns.DC_TERMS, "provenance"): "its content credentials are left out",
    (ns.OPLUS_CAMERA, "VideoLength"): _MOTION,
    (ns.XMP, "Thumbnails"): "",  # of the small picture; no loss
    (ns.XMP, "PageInfo"): "",
    (ns.PHOTOSHOP, "TextLayers"): "",  # also in exported pictures without layers; a TIFF's own are said elsewhere
}
_DIRECTORIES = {(ns.CONTAINER, "Directory"), (ns.DYNAMIC_DEPTH_CONTAINER, "Directory")}
_ITEM_SEMANTICS = {(ns.CONTAINER_ITEM, "Semantic"), (ns.DYNAMIC_DEPTH_ITEM, "Semantic")}
_SEMANTICS = {"gainmap": GAIN_MAP, "motionphoto": _MOTION, "depth": _DEPTH_MAP}
_NOTHING = {"", "0", "-1"}  # values of cameras that could have made a motion photo


def remove_attachments(document: Document) -> list[str]:
    """Leave out what points at attached files; return a sentence on each that people would miss."""
    listed = _listed(document.root)
    found = dict.fromkeys(listed)

    def is_gone(part: Attribute | Element) -> bool:
        if part.name in _DIRECTORIES:
            return bool(listed)
        sentence = _attached(part)
        if sentence:
            found[sentence] = None
        return sentence is not None

    document.root.prune(is_gone)
    return list(found)


def _listed(root: Element) -> list[str]:
    """Return the sentences on the items of directories beside the picture."""
    parts = (part for element in root.walk() for part in element.parts)
    semantics = (part.value.strip().lower() for part in parts if part.name in _ITEM_SEMANTICS)
    return [_SEMANTICS.get(semantic, _OTHER) for semantic in semantics if semantic != "primary"]


def _attached(part: Attribute | Element) -> str | None:
    """Return the sentence on what a property points at, '' if not worth a word; None if it points at nothing."""
    if _is_motion(part.name):
        return "" if part.value.strip() in _NOTHING else _MOTION
    return _NAMES.get(part.name, _NAMESPACES.get(part.name[0]))


def _is_motion(name: Name) -> bool:
    return name[0] in (ns.GOOGLE_CAMERA, ns.OPLUS_CAMERA) and name[1].startswith(("MotionPhoto", "MicroVideo"))
