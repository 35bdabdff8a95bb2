"""Reading of any picture file as upright 8-bit sRGB, from a path or bytes."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageCms, TiffImagePlugin

from support.apngs import Drawing, apng
from support.pictures import photo_like
from upscaler import Limits, PictureError
from upscaler.errors import LimitError, UnknownFormatError
from upscaler.pictures.reading import read_rgb8
from upscaler.pictures.vips import pyvips
from upscaler.pixels import Pixels

PHOTO = photo_like(40, 60)
GRAY = PHOTO[:, :, :1]


def saved(picture: Image.Image, format: str, **options: Any) -> bytes:
    file = io.BytesIO()
    picture.save(file, format, **options)
    return file.getvalue()


def deep(picture: Pixels, suffix: str) -> bytes:
    """Write a 16-bit file with the values of an 8-bit picture scaled to the full range."""
    image = pyvips.Image.new_from_array(picture.astype(np.uint16) * 257)
    kind = {1: "grey16", 2: "grey16", 3: "rgb16", 4: "rgb16"}[picture.shape[2]]
    content: bytes = image.copy(interpretation=kind).write_to_buffer(suffix)
    return content


WITH_ALPHA = np.dstack([PHOTO, GRAY // 2 + 100])
SHOWN_GRAY = np.repeat(GRAY, 3, axis=2)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (saved(Image.fromarray(PHOTO), "PNG"), PHOTO),
        (saved(Image.fromarray(GRAY[:, :, 0]), "PNG"), SHOWN_GRAY),
        (saved(Image.fromarray(WITH_ALPHA), "PNG"), PHOTO),
        (saved(Image.fromarray(PHOTO), "TIFF"), PHOTO),
        (deep(GRAY, ".png"), SHOWN_GRAY),
        (deep(GRAY, ".tif"), SHOWN_GRAY),
        (deep(PHOTO, ".png"), PHOTO),
        (deep(PHOTO, ".tif"), PHOTO),
        (deep(WITH_ALPHA, ".png"), PHOTO),
        (deep(np.dstack([GRAY, GRAY // 2]), ".png"), SHOWN_GRAY),
        (saved(Image.fromarray(GRAY[:, :, 0].astype(np.uint16) * 257), "JPEG2000"), SHOWN_GRAY),
        (apng((60, 40), [Drawing(GRAY.astype(np.uint16) * 257)] * 2), SHOWN_GRAY),
    ],
    ids=[
        "RGB",
        "gray",
        "alpha",
        "TIFF",
        "gray16",
        "gray16 TIFF",
        "RGB16",
        "RGB16 TIFF",
        "alpha16",
        "gray alpha16",
        "gray16 JPEG 2000",
        "gray16 APNG",
    ],
)
def test_pixel_values_are_kept_in_every_encoding(tmp_path: Path, content: bytes, expected: Pixels) -> None:
    (tmp_path / "photo").write_bytes(content)
    for source in (content, tmp_path / "photo"):
        read = read_rgb8(source)
        assert read.dtype == np.uint8
        assert (read == expected).all()


def test_a_gray_heic_of_10_bits_keeps_its_values() -> None:
    pillow_heif = pytest.importorskip("pillow_heif")
    file = io.BytesIO()
    values = GRAY.astype(np.uint16) * 257
    pillow_heif.from_bytes("L;16", (60, 40), values.tobytes()).save(file, quality=-1)
    assert np.abs(read_rgb8(file.getvalue()).astype(int) - GRAY).max() <= 1


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("form", ["PNG", "TIFF", "PNG of 16 bits"])
def test_every_orientation_is_applied_once(orientation: int, form: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    if form == "PNG of 16 bits":
        image = pyvips.Image.new_from_array(PHOTO.astype(np.uint16) * 257).copy(interpretation="rgb16").copy()
        image.set_type(pyvips.GValue.gint_type, "orientation", orientation)
        content = image.pngsave_buffer()
    else:
        content = saved(Image.fromarray(PHOTO), form, exif=exif)
    turned = {
        1: PHOTO,
        2: PHOTO[:, ::-1],
        3: PHOTO[::-1, ::-1],
        4: PHOTO[::-1],
        5: PHOTO.swapaxes(0, 1),
        6: np.rot90(PHOTO, -1),
        7: PHOTO[::-1, ::-1].swapaxes(0, 1),
        8: np.rot90(PHOTO),
    }
    assert (read_rgb8(content) == turned[orientation]).all()


def test_profiles_are_converted_and_broken_ones_ignored() -> None:
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    for profile in (srgb, lab, b"none"):
        for content in (saved(Image.fromarray(PHOTO), "PNG", icc_profile=profile),):
            assert np.abs(read_rgb8(content).astype(int) - PHOTO).max() <= 1


@pytest.mark.parametrize(
    ("content", "error"),
    [
        (b"", UnknownFormatError),
        (b"<html>", UnknownFormatError),
        (saved(Image.fromarray(PHOTO), "JPEG")[:700], PictureError),
        (saved(Image.fromarray(photo_like(50, 50)), "PNG"), LimitError),
        (saved(Image.fromarray(PHOTO[:, :, 0].astype(np.float32)), "TIFF"), PictureError),
    ],
    ids=["empty", "text", "cut off", "too many pixels", "floats"],
)
def test_unreadable_files_are_refused_by_kind(content: bytes, error: type[PictureError]) -> None:
    with pytest.raises(error):
        read_rgb8(content, Limits(pixels=2400))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"\xff\xd8\xff\xc1", "is a JPEG that is damaged"),
        (b"\x89PNG\r\n\x1a\n", "is a PNG that is damaged"),
        (b"II*\0\x08\0\0\0\0\0", "is a TIFF of an unsupported kind"),
        (b"\0\0\0\x18ftypcrx \0\0\0\1", "is a camera raw file"),
        (b'<?xml version="1.0"?><svg/>', "is a drawing or a document"),
        (b"%PDF-1.7", "is a drawing or a document"),
        (b"\0\0\0\x18ftypavif\0\0\0\0", "is an? AVIF picture that is damaged"),
        (b"\0\0\0\x18ftypmp42\0\0\0\0", "is not a readable picture; give a JPEG"),
        (b"RIFF\0\0\0\0WEBPXXXX", "is a WebP that is damaged"),
        (b"RIFF\0\0\0\0AVI LIST", "is not a readable picture; give a JPEG"),
        (b"hello", "is not a readable picture; give a JPEG"),
    ],
)
def test_the_sentence_names_the_kind_of_file(content: bytes, words: str) -> None:
    with pytest.raises(UnknownFormatError, match=words):
        read_rgb8(content)


def test_a_camera_raw_is_refused_by_name_and_not_its_preview(tmp_path: Path) -> None:
    preview = TiffImagePlugin.ImageFileDirectory_v2()
    preview[254] = 1  # a reduced version of another page
    for tags in (preview, {50706: b"\1\4\0\0"}):
        Image.fromarray(PHOTO).save(tmp_path / "raw.tif", tiffinfo=tags)
        with pytest.raises(PictureError, match="camera raw file"):
            read_rgb8(tmp_path / "raw.tif")


def test_a_palette_with_transparency_is_read_without_a_warning() -> None:
    palette = Image.fromarray(PHOTO).quantize(16)
    content = saved(palette, "PNG", transparency=bytes(range(16)))
    assert np.array_equal(read_rgb8(content), np.asarray(palette.convert("RGB")))


def test_a_kind_that_the_reader_lacks_is_not_called_broken() -> None:
    content = bytearray(saved(Image.fromarray(PHOTO), "BMP"))
    content[28] = 7  # bits a pixel
    with pytest.raises(PictureError, match=r"is of an unsupported kind \(.*\); save it as PNG or TIFF"):
        read_rgb8(bytes(content))
