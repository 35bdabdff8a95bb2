"""Pages of a TIFF that are pictures, and names for what cannot be read as it is meant, with advice."""

from upscaler.errors import PictureError
from upscaler.pictures.content import Content
from upscaler.pictures.signatures import CAMERA_RAW
from upscaler.pictures.tiff_pages import (
    BLACK_IS_ZERO,
    BY_PILLOW,
    CMYK,
    COLOURS,
    LAB,
    PALETTE,
    WHITE_IS_ZERO,
    YCBCR,
    Tag,
    TiffPage,
    chain,
    page_at,
)

_CANON_RAW, _AFTER_HEADER = b"CR", slice(8, 10)
_SENSOR = (32803, 34892)  # photometric interpretations of camera raws: colour filter array, and linear
_OTHER_INKS = 2  # ink set
_FORMATS = {2: "signed", 3: "floating-point", 5: "complex", 6: "complex"}  # of samples
_DEPTHS = {WHITE_IS_ZERO: (1, 2, 4, 8, 16), BLACK_IS_ZERO: (1, 2, 4, 8, 16), PALETTE: (1, 2, 4, 8), YCBCR: (8,)}
_COLOUR_DEPTHS = (8, 16)
_BY_LIBVIPS = {*range(1, 9), 32766, 32771, 32773, 32809, 32909, 32946, 33003, 33005, 34712}  # compressions
_BY_NOBODY = {50001: "WebP"}
_JPEG = (6, 7)  # compressions, old and new
_MOST_SAMPLES = {PALETTE: 2, YCBCR: 3, LAB: 3}
_MOST_OTHERS = 12  # samples
_LARGE_TILE = 2048 * 2048  # pixels, though the picture may be smaller; programs write 128 to 1024 a side
_MOST_RATIO = 4  # of a tile to its picture: a single one may have sides that are rounded up to powers of two


def read_pages(content: Content, name: str, most: int | None) -> tuple[list[TiffPage], int]:
    """List the pages of a TIFF, and count those left out, which are smaller versions or masks of others.

    Raises PictureError for a camera raw, whose pictures are previews, for a page that is cut off or cannot be read as
    it is meant, and if there are more than `most`.
    """
    found = list(chain(content, name, most))
    if found and _is_raw(content, found):
        raise PictureError(f"{name} {CAMERA_RAW}")
    pages = [page for page in found if page is found[0] or not (page.is_reduced or page.is_mask)]
    for page in pages:
        if reason := _refusal(page):
            raise PictureError(f"{name}{f', on page {page.index + 1},' if len(found) > 1 else ''} {reason}")
    return pages, len(found) - len(pages)


def _is_raw(content: Content, pages: list[TiffPage]) -> bool:
    first = pages[0]
    below = [page_at(content, place, 0).photometric for place in first.values.get(Tag.SUB_DIRECTORIES, ())]
    from_sensor = any(photometric in _SENSOR for photometric in [page.photometric for page in pages] + below)
    return from_sensor or first.is_reduced or Tag.DNG_VERSION in first.values or content[_AFTER_HEADER] == _CANON_RAW


def _refusal(page: TiffPage) -> str:
    """Say why a page cannot be read as it is meant, and what would help; "" if it can."""
    width, height = page.size
    if not (width and height):
        return f"has {width}x{height} pixels; export it again"
    if page.photometric not in COLOURS or (page.photometric == CMYK and page.value(Tag.INK_SET, 1) == _OTHER_INKS):
        return f"is a TIFF of unsupported colours (photometric interpretation {page.photometric}); save it as RGB"
    tile_width, tile_height = page.tile_size
    if tile_width * tile_height > _MOST_RATIO * max(width * height, _LARGE_TILE):  # decoders need memory for all of it
        return f"is a TIFF of {width}x{height} pixels in tiles of {tile_width}x{tile_height}; save it without tiles"
    return _refusal_of_values(page) or _refusal_of_samples(page) or _refusal_of_compression(page)


def _refusal_of_values(page: TiffPage) -> str:
    bits, formats = page.values.get(Tag.BITS, (1,)), page.values.get(Tag.SAMPLE_FORMAT, ())
    if (kind := next((_FORMATS[n] for n in formats if n in _FORMATS), "")) and page.photometric != LAB:
        reason = f"of {page.bits}-bit {kind} values, whose black and white are not defined"
    elif len(set(bits)) > 1 or page.bits not in _DEPTHS.get(page.photometric, _COLOUR_DEPTHS):
        reason = f"with {' and '.join(map(str, sorted(set(bits))))} bits per channel"
    elif page.bits < 8 and page.samples > 1:  # libvips reads one band of such
        reason = f"of {page.samples} channels with fewer than 8 bits"
    else:
        return ""
    return f"is a TIFF {reason}; save it with 8 or 16 bits per channel"


def _refusal_of_samples(page: TiffPage) -> str:
    most = _MOST_SAMPLES.get(page.photometric, page.colours + _MOST_OTHERS)
    is_gray_with_others = page.colours == 1 and page.samples > 2 and page.alpha is None
    if page.colours <= page.samples <= most and not is_gray_with_others:
        return ""
    return f"is a TIFF of {page.samples} channels that are no known colours; save it as RGB"


def _refusal_of_compression(page: TiffPage) -> str:
    compression = page.value(Tag.COMPRESSION, 1)
    if compression not in {*_BY_LIBVIPS, *BY_PILLOW}:
        kind = _BY_NOBODY.get(compression, f"number {compression}")
        return f"is a TIFF of an unsupported compression ({kind}); save it with LZW or Deflate"
    if compression in BY_PILLOW and page.bits == 16:
        return f"is a TIFF of 16 bits with {BY_PILLOW[compression]} compression; save it with LZW or Deflate"
    is_whole = page.values.get(Tag.SUBSAMPLING, ())[:2] == (1, 1)
    if page.photometric == YCBCR and compression not in _JPEG and is_whole:  # libvips takes it for RGB
        return "is a TIFF of YCbCr colours that are not compressed as JPEG; save it as RGB"
    return ""
