"""Properties of XMP that point at files beside the picture or count their bytes: gain maps, motion videos and others.

The result holds the picture alone, so they go.
"""

from upscaler.pictures import xmp_names as ns
from upscaler.pictures.xml_tree import Attribute, Document, Element, Name

_GAIN_MAP = "its HDR gain map is left out"
_DEPTH_MAP = "its depth map is left out"
_MOTION = "the video of its motion photo is left out"
_OTHER = "a file attached to it is left out"
# By namespace.
_NAMESPACES = {
    ns.GAIN_MAP: _GAIN_MAP,
    ns.APPLE_GAIN_MAP: _GAIN_MAP,
    ns.DEPTH_MAP: _DEPTH_MAP,
    ns.GOOGLE_IMAGE: "the second picture in it is left out",
    ns.GOOGLE_AUDIO: "its sound is left out",
}
_NAMES = {
    (ns.XMP_NOTE, "HasExtendedXMP"): "its extended XMP is left out",
    (ns.PHOTOSHOP, "TextLayers"): "its Photoshop layers are left out",
    (ns.DC_TERMS, "provenance"): "its content credentials are left out",
    (ns.OPLUS_CAMERA, "VideoLength"): _MOTION,
    (ns.XMP, "Thumbnails"): "",  # of the small picture; no loss
    (ns.XMP, "PageInfo"): "",
}
_DIRECTORIES = {(ns.CONTAINER, "Directory"), (ns.DYNAMIC_DEPTH_CONTAINER, "Directory")}
_SEMANTICS = {"gainmap": _GAIN_MAP, "motionphoto": _MOTION, "depth": _DEPTH_MAP}
_NOTHING = {"", "0", "-1"}  # values of cameras that could have made a motion photo


def remove_attachments(document: Document) -> list[str]:
    """Leave out what points at attached files; return a sentence on each that people would miss."""
    found: dict[str, None] = {}

    def is_gone(part: Attribute | Element) -> bool:
        attached = _attached(part)
        found.update(dict.fromkeys(attached or ()))
        return attached is not None

    document.root.prune(is_gone)
    return [sentence for sentence in found if sentence]


def _attached(part: Attribute | Element) -> list[str] | None:
    """Return the sentences on what a property points at, '' if not worth a word; None if it points at nothing."""
    if part.name in _DIRECTORIES and isinstance(part, Element):
        return _listed(part) or None
    if part.name in _NAMES:
        return [_NAMES[part.name]]
    if _is_motion(part.name):
        return ["" if part.value.strip() in _NOTHING else _MOTION]
    return [_NAMESPACES[part.name[0]]] if part.name[0] in _NAMESPACES else None


def _is_motion(name: Name) -> bool:
    return name[0] in (ns.GOOGLE_CAMERA, ns.OPLUS_CAMERA) and name[1].startswith(("MotionPhoto", "MicroVideo"))


def _listed(directory: Element) -> list[str]:
    """Return the sentences on the items of a directory beside the picture."""
    semantics = [
        part.value.strip().lower()
        for element in directory.walk()
        for part in element.parts
        if part.name[1] == "Semantic"
    ]
    return [_SEMANTICS.get(semantic, _OTHER) for semantic in semantics if semantic != "primary"]
