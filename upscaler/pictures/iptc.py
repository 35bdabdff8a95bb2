"""IPTC: captions, keywords and credits, as datasets (IIM) inside the image resources of Photoshop.

Formats: "IPTC-NAA Information Interchange Model", version 4.2; "Adobe Photoshop File Formats", "Image Resource Blocks".
"""

from collections.abc import Iterator
from dataclasses import dataclass

from upscaler.pictures.places import holds_coordinates

HEADER = b"Photoshop 3.0\0"  # of a JPEG's APP13; a TIFF's tag 34377 has none
_SIGNATURES = (b"8BIM", b"PHUT", b"AgHg", b"DCSR", b"MeSa")
_IIM, _DIGEST = 0x0404, 0x0425
_COPYRIGHT = {0x040A, 0x040B}  # is it protected, and the owner's address on the web
_MOST = 20_000  # resources or datasets

_MARK = b"\x1c"
_EXTENDED, _LENGTH_BYTES = 0x8000, 4  # the length is that of the length, which follows
_ENVELOPE, _APPLICATION = 1, 2
_PREVIEW = (200, 201, 202)  # of the small picture
# Datasets of the application record that name no place: versions and editors', title to release dates (but 26 and 27:
# content location), credits. The others: city (90), sub-location (92), state (95), country (100, 101), contact (118).
_HARMLESS = {
    *(0, 3, 4, 5, 7, 8, 10, 12, 15, 20, 22, 25, 30, 35, 37, 38, 40, 42, 45, 47, 50, 55, 60, 62, 63, 65, 70, 75),
    *(80, 85, 103, 105, 110, 115, 116, 120, 121, 122, 130, 131, 135, 184, 187, 188),
}


class IptcError(ValueError):
    """Photoshop resources or IPTC datasets that are damaged."""


@dataclass(frozen=True)
class Iptc:
    """Photoshop's image resources, as far as they are kept.

    iim: the datasets, as in a TIFF's tag 33723; others: resources beside them, as in the file.
    """

    iim: bytes = b""
    others: bytes = b""

    @property
    def resources(self) -> bytes:
        """Image resources, as in a TIFF's tag 34377."""
        return (_resource(_IIM, self.iim) if self.iim else b"") + self.others

    @property
    def app13(self) -> bytes:
        """The payload of a JPEG's segment APP13; empty if there is nothing to say."""
        return HEADER + self.resources if self.resources else b""


def read_iptc(content: bytes, *, remove_location: bool) -> Iptc:
    """Read the payload of an APP13, image resources or bare datasets; keep IPTC and what is said of the copyright.

    Left out: thumbnails, copies of EXIF and XMP, resolution, guides, paths, and all else of the small picture or the
    program; with `remove_location` also datasets that may name a place. Raises IptcError.
    """
    if content[:1] == _MARK:
        return Iptc(_kept_datasets(content, remove_location))
    found = list(_resources(content.removeprefix(HEADER)))
    said = b"".join(data for kind, data, _ in found if kind == _IIM)
    iim = _kept_datasets(said, remove_location)
    kept = {*_COPYRIGHT, _DIGEST} if iim and iim == said else _COPYRIGHT  # the digest is of the datasets
    return Iptc(iim, b"".join(block for kind, _, block in found if kind in kept))


def _kept_datasets(iim: bytes, remove_location: bool) -> bytes:
    return b"".join(dataset for dataset in _datasets(iim) if _is_kept(dataset, remove_location))


def _is_kept(dataset: bytes, remove_location: bool) -> bool:
    record, number = dataset[1:3]
    if record == _APPLICATION and number in _PREVIEW:
        return False
    if not remove_location:
        return True
    harmless = record == _ENVELOPE or (record == _APPLICATION and number in _HARMLESS)
    texts = (dataset.decode(encoding, "replace") for encoding in ("utf-8", "latin-1"))
    return harmless and not any(map(holds_coordinates, texts))


def _resources(content: bytes) -> Iterator[tuple[int, bytes, bytes]]:
    """Yield each resource's number, its data and the whole of it, padded to an even length."""
    place, last = 0, len(content.rstrip(b"\0"))
    for _ in range(_MOST):
        if place >= last:
            return
        if content[place : place + 4] not in _SIGNATURES or place + 12 > len(content):
            raise IptcError(f"there is no image resource at byte {place}")
        name = 1 + content[place + 6]
        size_at = place + 6 + name + name % 2
        start = size_at + 4
        end = start + int.from_bytes(content[size_at:start], "big")
        if end > len(content):
            raise IptcError(f"the image resource at byte {place} is cut off")
        block = content[place:end]
        yield (
            int.from_bytes(content[place + 4 : place + 6], "big"),
            content[start:end],
            block + b"\0" * (len(block) % 2),
        )
        place = end + (end - place) % 2
    raise IptcError(f"it has more than {_MOST:,} image resources")


def _datasets(content: bytes) -> Iterator[bytes]:
    """Yield each dataset: mark, record, number, length, data."""
    place, last = 0, len(content.rstrip(b"\0"))
    for _ in range(_MOST):
        if place >= last:
            return
        head = content[place : place + 5]
        if len(head) < 5 or head[:1] != _MARK:
            raise IptcError(f"there is no dataset at byte {place}")
        length, start = int.from_bytes(head[3:], "big"), place + 5
        if length & _EXTENDED:
            digits = length - _EXTENDED
            if digits > _LENGTH_BYTES:
                raise IptcError(f"the dataset at byte {place} has a length of {digits} bytes")
            length, start = int.from_bytes(content[start : start + digits], "big"), start + digits
        if start + length > len(content):
            raise IptcError(f"the dataset at byte {place} is cut off")
        yield content[place : start + length]
        place = start + length
    raise IptcError(f"it has more than {_MOST:,} datasets")


def _resource(kind: int, data: bytes) -> bytes:
    return b"8BIM" + kind.to_bytes(2, "big") + b"\0\0" + len(data).to_bytes(4, "big") + data + b"\0" * (len(data) % 2)
