"""TIFFs of all kinds: each page is read and written by itself, or the file is refused by name."""

import struct
from collections.abc import Callable
from io import BytesIO
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import pyvips
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image, ImageCms

from support.pictures import photo_like
from support.tiff_blocks import Tag, shorts, tiff
from upscaler import PictureError, Upscaler, double_file
from upscaler.pictures import tiff_writing
from upscaler.pictures.formats import Sequence
from upscaler.pictures.header import Frame, Page
from upscaler.pictures.metadata import Metadata
from upscaler.pictures.reading import read_frames, read_header, read_rgb8
from upscaler.pictures.tiff_writing import write_tiff
from upscaler.pixels import Pixels

TURNS: dict[int, Callable[[NDArray[Any]], NDArray[Any]]] = {
    1: lambda stored: stored,
    2: np.fliplr,
    3: lambda stored: np.rot90(stored, 2),
    4: np.flipud,
    5: lambda stored: stored.swapaxes(0, 1),
    6: lambda stored: np.rot90(stored, -1),
    7: lambda stored: np.rot90(stored, 2).swapaxes(0, 1),
    8: np.rot90,
}
DEPTHS = {8: np.uint8, 16: np.uint16}
PHOTOMETRIC, ORIENTATION, EXTRA_SAMPLES, SAMPLE_FORMAT = 262, 274, 338, 339
FLOAT, SIGNED = 3, 2
WHITE_IS_ZERO, CMYK, LAB = 0, 5, 8


def short(tag: int, *values: int) -> Tag:
    return tag, 3, len(values), shorts(*values)


class Bands(NamedTuple):
    """Channels as a file stores them; tags that say what they are; channels after decoding."""

    stored: int
    tags: list[Tag]
    decoded: int


BANDS = {
    "gray": Bands(1, [], 1),
    "gray with alpha": Bands(2, [short(EXTRA_SAMPLES, 2)], 2),
    "gray with infrared": Bands(2, [short(EXTRA_SAMPLES, 0)], 1),
    "colour": Bands(3, [], 3),
    "colour with alpha": Bands(4, [short(EXTRA_SAMPLES, 2)], 4),
    "colour with infrared": Bands(4, [short(EXTRA_SAMPLES, 0)], 3),
    "colour with alpha and infrared": Bands(5, [short(EXTRA_SAMPLES, 2, 0)], 4),
}
KINDS = list(product(DEPTHS, BANDS, TURNS))
kinds = st.sampled_from(KINDS)


def stored(depth: int, channels: int, seed: int, height: int = 3, width: int = 5) -> Pixels:
    levels = np.random.default_rng(seed).integers(0, 2**depth, (height, width, channels))
    pixels: Pixels = levels.astype(DEPTHS[depth])
    return pixels


def read(content: bytes, folder: Path) -> tuple[tuple[Page, ...], list[Frame]]:
    path = folder / "read.tif"
    path.write_bytes(content)
    header = read_header(path)
    return header.pages, list(read_frames(header))


def pixels_of(content: bytes, folder: Path) -> Pixels:
    _, (frame,) = read(content, folder)
    return frame.pixels


def refusal(content: bytes, folder: Path) -> str:
    with pytest.raises(PictureError) as refused:
        read(content, folder)
    assert read_refusal(content) == str(refused.value).replace(str(folder / "read.tif"), "the picture")
    return str(refused.value)


def read_refusal(content: bytes) -> str:
    with pytest.raises(PictureError) as refused:
        read_rgb8(content)
    return str(refused.value)


def assert_pages_are_read(pages: list[tuple[int, str, int]], folder: Path) -> None:
    pictures = [stored(depth, BANDS[bands].stored, seed) for seed, (depth, bands, _) in enumerate(pages)]
    tags = [[*BANDS[bands].tags, short(ORIENTATION, orientation)] for _, bands, orientation in pages]
    found, frames = read(tiff(*zip(pictures, tags, strict=True)), folder)
    for page, frame, picture, (depth, bands, orientation) in zip(found, frames, pictures, pages, strict=True):
        expected = TURNS[orientation](picture[:, :, : BANDS[bands].decoded])
        height, width, channels = expected.shape
        assert page == Page(width, height, channels, depth, orientation)
        assert frame.pixels.dtype == expected.dtype
        assert (frame.pixels == expected).all()


@settings(max_examples=150)
@given(first=kinds, second=kinds)
def test_each_page_is_its_own_picture(
    tmp_path_factory: pytest.TempPathFactory, first: tuple[int, str, int], second: tuple[int, str, int]
) -> None:
    assert_pages_are_read([first, second], tmp_path_factory.getbasetemp())


def test_pages_of_all_kinds_in_one_file(tmp_path: Path) -> None:
    assert_pages_are_read(KINDS, tmp_path)


pictures = st.builds(
    stored, st.sampled_from([8, 16]), st.integers(1, 4), st.integers(0, 99), st.integers(1, 40), st.integers(1, 300)
)


@pytest.mark.parametrize("most", [tiff_writing._MOST, -1], ids=["plain", "big"])
@settings(max_examples=30)
@given(pages=st.lists(pictures, min_size=1, max_size=4))
def test_each_page_is_written_as_it_is(
    tmp_path_factory: pytest.TempPathFactory, most: int, pages: list[Pixels]
) -> None:
    path = tmp_path_factory.getbasetemp() / "written.tif"
    with pytest.MonkeyPatch.context() as patch, path.open("w+b") as file:
        patch.setattr(tiff_writing, "_MOST", most)
        write_tiff(file, [Frame(page) for page in pages], Metadata(), "x")
    found = [frame.pixels for frame in read_frames(read_header(path))]
    with tifffile.TiffFile(path) as written:
        by_others = [page.asarray().reshape(pages[n].shape) for n, page in enumerate(written.pages)]
        assert written.is_bigtiff == (most < 0)
    for ours, theirs, expected in zip(found, by_others, pages, strict=True):
        assert ours.dtype == theirs.dtype == expected.dtype
        assert (ours == expected).all()
        assert (theirs == expected).all()


def test_a_document_of_different_pages_is_upscaled(upscaler: Upscaler, tmp_path: Path) -> None:
    colour, gray, deep = photo_like(20, 30), photo_like(12, 9, 1)[:, :, :1], stored(16, 4, 2, 8, 11)
    camera: list[Tag] = [(305, 2, 7, b"Camera\0"), (272, 2, 6, b"Model\0")]
    content = tiff((colour, camera), (gray, [short(ORIENTATION, 6)]), (deep, [short(EXTRA_SAMPLES, 2)]))
    (tmp_path / "in.tif").write_bytes(content)
    list(double_file(upscaler, tmp_path / "in.tif", tmp_path / "out.tif"))
    header = read_header(tmp_path / "out.tif")
    assert header.sequence is Sequence.PAGES
    expected = [upscaler.upscale(pixels) for pixels in (colour, np.rot90(gray, -1), deep)]
    for frame, page in zip(read_frames(header), expected, strict=True):
        assert frame.pixels.dtype == page.dtype
        assert (frame.pixels == page).all()
    with Image.open(tmp_path / "out.tif") as image:
        assert image.getexif()[272] == "Model"


@pytest.mark.parametrize("depth", DEPTHS)
def test_other_channels_are_dropped_with_a_word(tmp_path: Path, depth: int, caplog: pytest.LogCaptureFixture) -> None:
    pages = [(stored(depth, 4, seed), [short(EXTRA_SAMPLES, 0)]) for seed in range(2)]
    read(tiff(*pages), tmp_path)
    (record,) = caplog.records
    assert "dropped channels that are neither colour nor alpha, such as infrared" in record.message


@pytest.mark.parametrize("depth", DEPTHS)
def test_associated_alpha_is_divided_out(tmp_path: Path, depth: int) -> None:
    level = 2**depth // 256
    picture = np.full((2, 2, 4), 0, DEPTHS[depth])
    picture[0] = np.array([100, 50, 20, 200]) * level
    pixels = pixels_of(tiff((picture, [short(EXTRA_SAMPLES, 1)])), tmp_path)
    expected = np.array([127.5, 63.75, 25.5]) * level
    assert np.abs(pixels[0, :, :3] - expected).max() <= level
    assert (pixels[:, :, 3] == picture[:, :, 3]).all()


@pytest.mark.parametrize(("order", "big"), list(product("<>", [False, True])))
def test_byte_orders_and_big_files(tmp_path: Path, order: str, big: bool) -> None:
    pages = [stored(16, 3, 0), stored(8, 1, 1, 7, 4)]
    with tifffile.TiffWriter(tmp_path / "x.tif", byteorder=order, bigtiff=big) as file:  # type: ignore[arg-type]
        file.write(pages[0], photometric="rgb", metadata=None)
        file.write(pages[1][:, :, 0], metadata=None)
    _, frames = read((tmp_path / "x.tif").read_bytes(), tmp_path)
    assert all((frame.pixels == page).all() for frame, page in zip(frames, pages, strict=True))


def by_pillow(image: Image.Image, **options: Any) -> bytes:
    file = BytesIO()
    image.save(file, "TIFF", **options)
    return file.getvalue()


GRAY = Image.fromarray(photo_like(40, 60)[:, :, 0])
COLOUR = Image.fromarray(photo_like(40, 60))


@pytest.mark.parametrize(
    ("image", "compression"),
    [
        *product([GRAY, COLOUR], ["raw", "tiff_lzw", "packbits", "tiff_adobe_deflate", "zstd", "lzma"]),
        *product([GRAY.convert("1")], ["raw", "group3", "group4", "tiff_ccitt", "packbits"]),
        *product([COLOUR.quantize(16), GRAY.convert("P"), COLOUR.convert("CMYK"), GRAY.convert("LA")], ["tiff_lzw"]),
    ],
)
def test_modes_and_compressions(tmp_path: Path, image: Image.Image, compression: str) -> None:
    pixels = pixels_of(by_pillow(image, compression=compression), tmp_path)
    if image.mode == "CMYK":
        assert pixels.shape == (40, 60, 3)
        return
    plain = image.convert({"P": "RGB", "1": "L"}.get(image.mode, image.mode))
    assert (pixels == np.asarray(plain).reshape(pixels.shape)).all()


def test_a_jpeg_inside(tmp_path: Path) -> None:
    pixels = pixels_of(by_pillow(COLOUR, compression="jpeg", quality=95), tmp_path)
    assert np.abs(pixels - np.asarray(COLOUR).astype(int)).mean() < 3


@pytest.mark.parametrize("bits", [1, 2, 4])
@pytest.mark.parametrize("white_is_zero", [False, True])
def test_few_bits(tmp_path: Path, bits: int, white_is_zero: bool) -> None:
    image = pyvips.Image.new_from_array(np.arange(256, dtype=np.uint8).reshape(4, 64))
    content = image.tiffsave_buffer(bitdepth=bits, miniswhite=white_is_zero)
    levels = np.unique(pixels_of(content, tmp_path))
    assert len(levels) == 2**bits
    assert np.abs(levels.astype(float) - np.linspace(0, 255, 2**bits)).max() < 1


@pytest.mark.parametrize("depth", DEPTHS)
def test_white_may_be_zero(tmp_path: Path, depth: int) -> None:
    picture = stored(depth, 1, 0)
    pixels = pixels_of(tiff((picture, [short(PHOTOMETRIC, WHITE_IS_ZERO)])), tmp_path)
    assert (pixels == 2**depth - 1 - picture).all()


LABS = [(50, 0, 0), (100, 0, 0), (0, 0, 0), (60, 50, 30), (55, -30, 20), (80, 10, 70), (30, 20, -60)]


@pytest.mark.parametrize("depth", DEPTHS)
def test_lab(tmp_path: Path, depth: int) -> None:
    scale = 2**depth // 256
    values = [[round(lightness * (2**depth - 1) / 100), a * scale, b * scale] for lightness, a, b in LABS]
    picture = (np.array([values]) % 2**depth).astype(DEPTHS[depth])
    content = tiff((picture, [short(PHOTOMETRIC, LAB), (34675, 7, 9, b"a profile")]))
    pages, (frame,) = read(content, tmp_path)
    assert pages[0].depth == depth
    assert frame.profile == b""
    with Image.open(BytesIO(tiff(((picture // scale).astype(np.uint8), [short(PHOTOMETRIC, LAB)])))) as image:
        spaces = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
        expected = np.asarray(ImageCms.profileToProfile(image, *spaces, outputMode="RGB"))
    assert np.abs(frame.pixels / (257 if depth == 16 else 1) - expected).max() <= 2
    assert (frame.pixels[0, 1] == 2**depth - 1).all(), "white stays white"


@pytest.mark.parametrize("depth", DEPTHS)
def test_alpha_and_inks_beside_cmyk(tmp_path: Path, depth: int) -> None:
    picture = stored(depth, 5, 0)
    tags = [short(PHOTOMETRIC, CMYK)]
    opaque = pixels_of(tiff((picture[:, :, :4], tags)), tmp_path)
    with_alpha = pixels_of(tiff((picture, [*tags, short(EXTRA_SAMPLES, 2)])), tmp_path)
    with_ink = pixels_of(tiff((picture, [*tags, short(EXTRA_SAMPLES, 0)])), tmp_path)
    assert opaque.dtype == DEPTHS[depth]
    assert (with_alpha == np.dstack([opaque, picture[:, :, 4]])).all()
    assert (with_ink == opaque).all()


REFUSED: dict[str, tuple[NDArray[Any], list[Tag], str]] = {
    **{
        f"float{8 * size}": (np.zeros((2, 2, 3), f"f{size}"), [short(SAMPLE_FORMAT, *[FLOAT] * 3)], name)
        for size, name in ((2, "16-bit floating-point"), (4, "32-bit floating-point"), (8, "64-bit floating-point"))
    },
    "int32": (np.zeros((2, 2, 1), np.int32), [short(SAMPLE_FORMAT, SIGNED)], "32-bit signed"),
    "int16": (np.zeros((2, 2, 3), np.int16), [short(SAMPLE_FORMAT, *[SIGNED] * 3)], "16-bit signed"),
    "int8": (np.zeros((2, 2, 1), np.int8), [short(SAMPLE_FORMAT, SIGNED)], "8-bit signed"),
    "uint32": (np.zeros((2, 2, 3), np.uint32), [], "32 bits per channel"),
    "12 bits": (np.zeros((2, 3, 1), np.uint8), [(256, 4, 1, struct.pack("<I", 2)), short(258, 12)], "12 bits"),
    "uneven bits": (np.zeros((2, 4, 1), np.uint8), [short(258, 5, 6, 5), short(277, 3), short(262, 2)], "5 and 6 bits"),
    **{
        f"{bits} bits beside {kind}": (
            np.zeros((2, 8, 1), np.uint8),
            [short(258, bits, bits), short(277, 2), short(PHOTOMETRIC, photometric), short(EXTRA_SAMPLES, 2), *more],
            "2 channels with fewer than 8 bits; save it with 8 or 16",
        )
        for bits, kind, photometric, more in (
            (1, "gray", 1, []),
            (4, "gray", 0, []),
            (4, "a palette", 3, [short(320, *range(48))]),
        )
    },
    "ICC Lab": (np.zeros((2, 2, 3), np.uint8), [short(PHOTOMETRIC, 9)], "unsupported colours"),
    "inks": (np.zeros((2, 2, 6), np.uint8), [short(PHOTOMETRIC, CMYK), short(332, 2)], "unsupported colours"),
    "YCbCr": (np.zeros((2, 2, 3), np.uint8), [short(PHOTOMETRIC, 6), short(530, 1, 1)], "YCbCr"),
    "bands": (np.zeros((2, 2, 13), np.uint8), [short(PHOTOMETRIC, 1), short(338, *[0] * 12)], "13 channels"),
    "too few": (np.zeros((2, 2, 2), np.uint8), [short(PHOTOMETRIC, 2)], "2 channels"),
    "LERC": (np.zeros((2, 2, 1), np.uint8), [short(259, 34887)], "unsupported compression (number 34887)"),
    "WebP": (np.zeros((2, 2, 3), np.uint8), [short(259, 50001)], "compression (WebP); save it with LZW or Deflate"),
    "deep zstd": (np.zeros((2, 2, 1), np.uint16), [short(259, 50000)], "Zstandard"),
    "sensor": (np.zeros((2, 2, 1), np.uint16), [short(PHOTOMETRIC, 32803)], "camera raw"),
    "tiles": (
        np.zeros((2, 2, 1), np.uint8),
        [short(322, 16384), short(323, 1040)],
        "2x2 pixels in tiles of 16384x1040",
    ),
    "nothing": (np.zeros((2, 2, 1), np.uint8), [(256, 4, 1, bytes(4))], "0x2 pixels"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused_by_name(tmp_path: Path, name: str) -> None:
    picture, tags, words = REFUSED[name]
    assert words in refusal(tiff((picture, tags)), tmp_path)


def test_a_refusal_names_the_page(tmp_path: Path) -> None:
    floats: NDArray[Any] = np.zeros((2, 2, 1), np.float32)
    content = tiff((photo_like(2, 2), []), (floats, [short(SAMPLE_FORMAT, FLOAT)]))
    assert ", on page 2, is a TIFF of 32-bit floating-point values" in refusal(content, tmp_path)


def camera_raws() -> dict[str, bytes]:
    preview, sensor = photo_like(2, 2), (np.zeros((2, 2, 1), np.uint16), [short(PHOTOMETRIC, 32803)])
    below: Tag = (330, 4, 1, b"here")
    chain = tiff((preview, [below]), sensor)
    link = 8 + 2 + 12 * 10
    unlinked = chain[:link] + bytes(4) + chain[link + 4 :]
    return {
        "a page": tiff((preview, []), sensor),
        "below a page": unlinked.replace(b"here", chain[link : link + 4]),
        "after the header": b"II*\0\x10\0\0\0CR" + bytes(6) + tiff((preview, []))[8:],
    }


@pytest.mark.parametrize("place", camera_raws())
def test_camera_raws_are_refused(tmp_path: Path, place: str) -> None:
    assert "is a camera raw file" in refusal(camera_raws()[place], tmp_path)


def test_smaller_versions_and_masks_are_left_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    kinds = [0, 1, 2, 4]  # plain, reduced, a page of several, a mask
    pages = [(stored(8, 1, n, 4 - n), [(254, 4, 1, struct.pack("<I", kind))]) for n, kind in enumerate(kinds)]
    found, frames = read(tiff(*pages), tmp_path)
    assert [page.height for page in found] == [4, 2]
    assert (frames[1].pixels == pages[2][0]).all()
    assert "left out 2 pages that are smaller versions or masks of others" in caplog.text


def test_a_pyramid_is_one_picture(tmp_path: Path) -> None:
    image = pyvips.Image.new_from_array(photo_like(200, 300))
    content = image.tiffsave_buffer(pyramid=True, tile=True, tile_width=32, tile_height=32)
    assert (pixels_of(content, tmp_path) == image.numpy()).all()


def test_a_tile_may_be_larger_than_its_picture(tmp_path: Path) -> None:
    image = pyvips.Image.new_from_array(photo_like(20, 30))
    content = image.tiffsave_buffer(tile=True, tile_width=256, tile_height=256)
    assert (pixels_of(content, tmp_path) == image.numpy()).all()


def test_a_tile_may_be_a_large_picture_with_rounded_sides(tmp_path: Path) -> None:
    image = pyvips.Image.black(2101, 2049, bands=3)
    image.tiffsave(str(tmp_path / "a.tif"), tile=True, tile_width=2112, tile_height=4096, compression="deflate")
    assert read_header(tmp_path / "a.tif").pixels == 2101 * 2049


def test_a_chain_that_is_cut_or_circular(tmp_path: Path) -> None:
    content = bytearray(tiff((photo_like(4, 5), []), (photo_like(4, 5, 1), [])))
    second = int.from_bytes(content[8 + 2 + 12 * 9 :][:4], "little")
    assert content[second : second + 2] == b"\x09\0", "the directory of the second page"
    assert "page 2 is cut off" in refusal(bytes(content[: second + 20]), tmp_path)
    link = second + 2 + 12 * 9
    content[link : link + 4] = (8).to_bytes(4, "little")
    pages, _ = read(bytes(content), tmp_path)
    assert len(pages) == 2


def profile(space: str) -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile(space)).tobytes()  # type: ignore[arg-type]


def test_each_page_has_its_own_profile(tmp_path: Path) -> None:
    first, second = profile("sRGB"), profile("sRGB").replace(b"sRGB", b"mine")
    icc = [(34675, 7, len(block), block) for block in (first, second)]
    colour, gray = photo_like(6, 7), photo_like(6, 7)[:, :, :1]
    path = tmp_path / "read.tif"
    header_pages = [(colour, [icc[0]]), (colour, [icc[1]]), (gray, [icc[0]]), (colour, [])]
    _, frames = read(tiff(*header_pages), tmp_path)
    with (tmp_path / "x.tif").open("w+b") as file:
        write_tiff(file, frames, read_header(path).metadata, "x")
    found = []
    for n in range(4):
        image = pyvips.Image.tiffload(str(tmp_path / "x.tif"), page=n)
        found.append(image.get("icc-profile-data") if image.get_typeof("icc-profile-data") else b"")
    assert (found[0], found[1], found[3]) == (first, second, b"")
    assert found[2][16:20] == b"GRAY", "a profile of RGB is none of gray"
