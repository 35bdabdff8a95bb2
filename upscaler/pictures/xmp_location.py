"""XMP without where a photo was taken: only what is known to be harmless stays.

Programs add namespaces and names of their own for places faster than any list of them grows; so an allow-list. What
people wrote (captions, keywords, titles) stays unless it has coordinates, for no list can tell a place in it.
"""

from upscaler.pictures import xmp_names as ns
from upscaler.pictures.places import holds_coordinates, names_place
from upscaler.pictures.xml_tree import Attribute, Document, Element, Markup, Name

_TEXTLESS = {(ns.META, "xmpmeta"), *((ns.RDF, name) for name in ("RDF", "Description", "Bag", "Seq", "Alt"))}
# Namespaces of which every name that has no word for a place is harmless.
_WHOLE = {
    ns.META,
    ns.XMP_MM,
    ns.RESOURCE_EVENT,
    ns.RESOURCE_REF,
    ns.DIMENSIONS,
    ns.AREA,
    ns.XMP_RIGHTS,
    ns.TIFF,
    ns.EXIF,
    ns.EXIF_EX,
    ns.EXIF_AUX,
    ns.CAMERA_RAW,
    ns.PLUS,
    ns.PANORAMA,
    ns.MICROSOFT_REGION,
}
_PARTLY = {
    ns.XML: "lang",
    ns.RDF: "RDF Description Bag Seq Alt li value type about resource ID nodeID parseType datatype bagID",
    ns.DC: "contributor creator date description format identifier language publisher relation rights source subject"
    " title type",
    ns.CC: "license attributionName attributionURL morePermissions useGuidelines",
    ns.XMP: "BaseURL CreateDate CreatorTool Identifier Label MetadataDate ModifyDate Nickname Rating",
    ns.PHOTOSHOP: "AuthorsPosition CaptionWriter Category ColorMode Credit DateCreated DocumentAncestors Headline"
    " ICCProfile Instructions Source SupplementalCategories TransmissionReference Urgency",
    ns.IPTC_CORE: "AltTextAccessibility CreatorContactInfo CiEmailWork CiTelWork CiUrlWork ExtDescrAccessibility"
    " IntellectualGenre Scene SubjectCode",
    ns.IPTC_EXT: "AddlModelInfo DigImageGUID DigitalSourceType MaxAvailHeight MaxAvailWidth ModelAge PersonInImage"
    " ImageRegion RegionBoundary rbShape rbUnit rbX rbY rbW rbH rbRx rbVertices rId rCtype rRole Name"
    " RegistryId RegItemId RegOrgId",
    ns.REGIONS: "Regions RegionList AppliedToDimensions Area Name Type Description FocusUsage Rotation",
    ns.MICROSOFT_PHOTO: "Rating DateAcquired",
    ns.MICROSOFT_REGIONS: "RegionInfo",
    ns.MICROSOFT_REGION_INFO: "Regions DateRegionsValid",
}
_HARMLESS = {namespace: frozenset(names.split()) for namespace, names in _PARTLY.items()}
# Of the namespaces above; the first counts pixels, and nobody looks into the second.
_EXEMPT = {(ns.EXIF, "SubjectLocation")}
_OPAQUE = {(ns.EXIF, "MakerNote")}


def without_location(document: Document) -> Document | None:
    """Keep what is known to be harmless; None if that is nothing."""
    if _is_gone(document.root):
        return None
    document.root.prune(_is_gone)
    for element in document.root.walk():
        element.children = [child for child in element.children if not isinstance(child, Markup)]
        if element.elements or element.name in _TEXTLESS:
            element.children = list(element.elements)
    return Document(document.root, _packet(document.before), _packet(document.after))


def _is_gone(part: Attribute | Element) -> bool:
    return not _is_harmless(part.name) or holds_coordinates(part.value)


def _is_harmless(name: Name) -> bool:
    namespace, local = name
    if namespace in _HARMLESS:
        return local in _HARMLESS[namespace]
    if name in _OPAQUE or not (namespace in _WHOLE or name == ("", "about")):
        return False
    return name in _EXEMPT or not names_place(local)


def _packet(markup: list[Markup]) -> list[Markup]:
    return [node for node in markup if node.text.startswith("<?xpacket ")]
