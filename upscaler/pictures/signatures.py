"""Kinds of files by their first bytes: names for what cannot be read, with advice."""

from upscaler.pictures.formats import BY_SUFFIX

LENGTH = 512  # bytes that are enough to tell

_ISO_MEDIA, _BRAND = slice(4, 8), slice(8, 12)
_HEIC_BRANDS = (b"heic", b"heix", b"mif1", b"msf1", b"hevc")
CAMERA_RAW = "is a camera raw file, which holds no finished picture; develop it and save it as JPEG, PNG or TIFF"
_AVIF_BRANDS = (b"avif", b"avis")
_DRAWING = "is a drawing or a document, not a photo; export it as PNG first"
_JPEG_2000 = "is a JPEG 2000 of an unsupported kind, such as five channels, or is damaged; save it as PNG"
_DAMAGED = "is damaged; download or export it again"
_UNSUPPORTED = {
    b"\xff\xd8": f"is a JPEG that {_DAMAGED}",
    b"\x89PNG": f"is a PNG that {_DAMAGED}",
    b"II*\0\x10\0\0\0CR": CAMERA_RAW,
    b"II*\0": "is a TIFF of an unsupported kind, or is damaged; save it with 8 or 16 bits per channel",
    b"MM\0*": "is a TIFF of an unsupported kind, or is damaged; save it with 8 or 16 bits per channel",
    b"II+\0": "is a BigTIFF of an unsupported kind, or is damaged; save it as a plain TIFF",
    b"MM\0+": "is a BigTIFF of an unsupported kind, or is damaged; save it as a plain TIFF",
    b"GIF8": f"is a GIF that {_DAMAGED}",
    b"\0\0\0\x0cJXL ": "is a JPEG XL, which is not supported; save it as PNG",
    b"\xff\x0a": "is a JPEG XL, which is not supported; save it as PNG",
    b"\0\0\0\x0cjP  ": _JPEG_2000,
    b"\xff\x4f\xff\x51": _JPEG_2000,
    b"8BPS": "is a Photoshop document; export it as PNG or TIFF first",
    b"%PDF": _DRAWING,
    b"%!PS": _DRAWING,
    b"FUJIFILM": CAMERA_RAW,
    b"IIRO": CAMERA_RAW,
    b"IIU\0": CAMERA_RAW,
}
_OTHERS = "is not a readable picture; give a JPEG, PNG, WebP, TIFF, BMP, GIF, AVIF or JPEG 2000"


def unreadable(start: bytes) -> str:
    """Say of a file that no reader accepts, by its first bytes, what it is and what would help."""
    if start[_ISO_MEDIA] == b"ftyp":
        return _unreadable_iso_media(start[_BRAND])
    if start.startswith(b"RIFF"):
        return f"is a WebP that {_DAMAGED}" if start[_BRAND] == b"WEBP" else _OTHERS
    if b"<svg" in start[:LENGTH].lower():
        return _DRAWING
    return next((words for signature, words in _UNSUPPORTED.items() if start.startswith(signature)), _OTHERS)


def _unreadable_iso_media(brand: bytes) -> str:
    if brand == b"crx ":
        return CAMERA_RAW
    if brand in _HEIC_BRANDS and ".heic" not in BY_SUFFIX:
        return "is a HEIC picture; install its reader with pip install 'double-resolution[heic]'"
    kind = "a HEIC" if brand in _HEIC_BRANDS else "an AVIF" if brand in _AVIF_BRANDS else ""
    return f"is {kind} picture that {_DAMAGED}" if kind else _OTHERS
