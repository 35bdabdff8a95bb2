"""Picture files of every kind, with their metadata."""

import struct
import zlib
from collections.abc import Callable
from functools import cache
from io import BytesIO
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pyvips
from PIL import ExifTags, Image, ImageCms, ImageOps
from PIL.JpegImagePlugin import JpegImageFile

from support.odd_pictures import chunk
from support.pictures import photo_like
from upscaler import Options, PictureError, Upscaler, double_file
from upscaler.pictures.formats import BY_SUFFIX
from upscaler.pictures.png_file import SIGNATURE
from upscaler.pictures.reading import read_frames, read_header
from upscaler.pixels import Pixels

XMP = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    b'<rdf:Description xmlns:tiff="http://ns.adobe.com/tiff/1.0/" xmlns:exif="http://ns.adobe.com/exif/1.0/" '
    b'tiff:Orientation="6" tiff:ImageWidth="60" exif:GPSLatitude="10,5N"><exif:PixelYDimension>40'
    b"</exif:PixelYDimension><tiff:Make>Cam</tiff:Make></rdf:Description></rdf:RDF></x:xmpmeta>"
)


@cache
def profile() -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def camera_exif(orientation: int = 1) -> Image.Exif:
    exif = Image.Exif()
    exif[ExifTags.Base.Make] = "Cam"
    exif[ExifTags.Base.Orientation] = orientation
    exif[ExifTags.IFD.Exif] = {
        ExifTags.Base.ExifImageWidth: 60,
        ExifTags.Base.ExifImageHeight: 40,
        ExifTags.Base.DateTimeOriginal: "2020:01:02 03:04:05",
    }
    exif[ExifTags.IFD.GPSInfo] = {ExifTags.GPS.GPSLatitudeRef: "N"}
    return exif


def doubled(upscaler: Upscaler, source: Path, target: str, **options: Any) -> Image.Image:
    path = source.with_name(target)
    list(double_file(upscaler, source, path, Options(**options)))
    image = Image.open(BytesIO(path.read_bytes()))
    image.load()
    return image


def read_deep(path: Path) -> Pixels:
    image = pyvips.Image.new_from_file(str(path))
    pixels: Pixels = image.numpy()
    return pixels.reshape(image.height, image.width, image.bands)


@pytest.fixture
def camera_photo(tmp_path: Path) -> Path:
    path = tmp_path / "camera photo, Südtirol 山.jpg"
    image = Image.fromarray(photo_like(40, 60))
    image.save(path, quality=95, exif=camera_exif(6), icc_profile=profile(), xmp=XMP, dpi=(300, 300))
    return path


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif", ".webp", ".avif"])
def test_metadata_is_kept_and_corrected(upscaler: Upscaler, camera_photo: Path, suffix: str) -> None:
    image = doubled(upscaler, camera_photo, f"x{suffix}")
    exif = image.getexif()
    details = exif.get_ifd(ExifTags.IFD.Exif)
    xmp = image.info.get("xmp") or image.info["XML:com.adobe.xmp"].encode()
    assert image.size == (80, 120)
    assert exif[ExifTags.Base.Make] == "Cam"
    assert exif.get(ExifTags.Base.Orientation, 1) == 1
    assert details[ExifTags.Base.DateTimeOriginal] == "2020:01:02 03:04:05"
    assert (details[ExifTags.Base.ExifImageWidth], details[ExifTags.Base.ExifImageHeight]) == (80, 120)
    assert exif.get_ifd(ExifTags.IFD.GPSInfo)[ExifTags.GPS.GPSLatitudeRef] == "N"
    assert image.info["icc_profile"] == profile()
    assert b'tiff:Orientation="1"' in xmp
    assert b'tiff:ImageWidth="80"' in xmp
    assert b"PixelYDimension>120<" in xmp
    if suffix not in (".webp", ".avif"):  # these formats store it only in EXIF
        assert image.info["dpi"] == pytest.approx((300, 300), abs=0.01)


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif"])
def test_the_location_can_be_removed(upscaler: Upscaler, camera_photo: Path, suffix: str) -> None:
    image = doubled(upscaler, camera_photo, f"x{suffix}", remove_location=True)
    assert not image.getexif().get_ifd(ExifTags.IFD.GPSInfo)
    assert image.getexif()[ExifTags.Base.Make] == "Cam"
    assert b"GPS" not in camera_photo.with_name(f"x{suffix}").read_bytes()


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif", ".webp"])
def test_pictures_come_out_upright(upscaler: Upscaler, tmp_path: Path, orientation: int, suffix: str) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    lying, upright = tmp_path / f"lying{suffix}", tmp_path / "upright.png"
    Image.fromarray(photo_like(20, 30)).save(lying, exif=exif)
    with Image.open(lying) as image:
        ImageOps.exif_transpose(image).save(upright)
    ours, expected = doubled(upscaler, lying, "a.png"), doubled(upscaler, upright, "b.png")
    assert ours.getexif().get(ExifTags.Base.Orientation, 1) == 1
    assert (np.asarray(ours) == np.asarray(expected)).all()


def test_exif_after_the_pixels_of_a_png_is_kept(upscaler: Upscaler, tmp_path: Path) -> None:
    source = tmp_path / "late.png"
    Image.fromarray(photo_like(20, 30)).save(source)
    data = b"eXIf" + camera_exif(6).tobytes()[6:]
    chunk = struct.pack(">I", len(data) - 4) + data + struct.pack(">I", zlib.crc32(data))
    plain = source.read_bytes()
    source.write_bytes(plain[:-12] + chunk + plain[-12:])
    image = doubled(upscaler, source, "x.png")
    assert image.size == (40, 60)
    assert image.getexif()[ExifTags.Base.Make] == "Cam"


@pytest.mark.parametrize(
    ("suffix", "channels"), [*((".png", n) for n in range(1, 5)), *((".tif", n) for n in (1, 3, 4))]
)
def test_16_bits_stay_16(upscaler: Upscaler, tmp_path: Path, suffix: str, channels: int) -> None:
    ramp = np.linspace(20_000, 23_000, 600).astype(np.uint16)
    pixels = np.broadcast_to(ramp[np.newaxis, :, np.newaxis], (6, 600, channels)).copy()
    if channels in (2, 4):
        pixels[:, :, -1] = 65_535
    source = tmp_path / f"deep [1]{suffix}"
    image = pyvips.Image.new_from_array(pixels).copy(interpretation="grey16" if channels < 3 else "rgb16")
    image.set_type(pyvips.GValue.blob_type, "icc-profile-data", profile())
    save = image.pngsave if suffix == ".png" else image.tiffsave
    save(str(source))
    written = doubled(upscaler, source, f"x{suffix}")
    result = read_deep(tmp_path / f"x{suffix}")
    assert result.dtype == np.uint16
    assert result.shape == (12, 1200, channels)
    assert len(np.unique(result[:, :, 0])) > 256
    assert (result == upscaler.upscale(pixels)).all()
    if channels > 2:  # an RGB profile is invalid for gray
        assert written.info["icc_profile"] == profile()


def test_16_bits_into_a_format_of_8(upscaler: Upscaler, tmp_path: Path) -> None:
    pixels = np.arange(65_536, dtype=np.uint16).reshape(256, 256, 1)
    source = tmp_path / "deep.png"
    pyvips.Image.new_from_array(pixels).copy(interpretation="grey16").pngsave(str(source))
    image = doubled(upscaler, source, "x.bmp")
    assert (np.asarray(image) == upscaler.upscale(np.round(pixels / 257).astype(np.uint8))[:, :, 0]).all()


def test_exif_in_a_16_bit_tiff(upscaler: Upscaler, tmp_path: Path) -> None:
    source = tmp_path / "deep.png"
    image = pyvips.Image.new_from_array(np.full((40, 60, 3), 12_345, np.uint16)).copy(interpretation="rgb16")
    image.set_type(pyvips.GValue.blob_type, "exif-data", camera_exif().tobytes())
    image.pngsave(str(source))
    exif = doubled(upscaler, source, "x.tif").getexif()
    assert exif[ExifTags.Base.Make] == "Cam"
    assert exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.ExifImageWidth] == 120
    assert (read_deep(tmp_path / "x.tif") == 12_345).all()


def neutral(image: Image.Image) -> bool:
    pixels = np.asarray(image.convert("RGB"))
    return bool((pixels == pixels[:, :, :1]).all())


GRAY: dict[str, Callable[[Image.Image], Image.Image]] = {
    "L": lambda gray: gray,
    "1": lambda gray: gray.convert("1"),
    "RGB": lambda gray: gray.convert("RGB"),
    "P": lambda gray: gray.convert("P"),
    "LA": lambda gray: gray.convert("LA"),
    "RGBA": lambda gray: gray.convert("RGBA"),
}


@pytest.mark.parametrize("mode", GRAY)
def test_gray_stays_gray(upscaler: Upscaler, tmp_path: Path, mode: str) -> None:
    source = tmp_path / "gray.png"
    GRAY[mode](Image.fromarray(photo_like(30, 40)).convert("L")).save(source)
    image = doubled(upscaler, source, "x.png")
    assert neutral(image)
    assert image.mode == {"1": "L", "P": "RGB"}.get(mode, mode)


def test_a_transparent_gray_stays_gray_with_alpha(upscaler: Upscaler, tmp_path: Path) -> None:
    source = tmp_path / "gray.png"
    Image.fromarray(photo_like(30, 40)).convert("L").save(source, transparency=130)
    assert doubled(upscaler, source, "x.png").mode == "LA"


@pytest.mark.parametrize("bits", [1, 2, 4, 8, 16])
def test_the_transparent_gray_of_a_png_is_one_of_its_own_samples(tmp_path: Path, bits: int) -> None:
    source, most = tmp_path / "gray.png", 2**bits - 1
    row = np.packbits(np.array([[int(bit) for bit in f"{gray:0{bits}b}"] for gray in (most, 0) * 4], np.uint8))
    header = struct.pack(">IIBBBBB", 8, 1, bits, 0, 0, 0, 0)
    content = chunk(b"IDAT", zlib.compress(b"\0" + row.tobytes()))
    parts = [chunk(b"IHDR", header), chunk(b"tRNS", struct.pack(">H", most)), content, chunk(b"IEND", b"")]
    source.write_bytes(SIGNATURE + b"".join(parts))
    (frame,) = read_frames(read_header(source))
    assert frame.pixels[0, :, 1].tolist() == [0, 2 ** max(8, bits) - 1] * 4


def test_a_palette_with_transparency(upscaler: Upscaler, tmp_path: Path) -> None:
    source = tmp_path / "palette.png"
    image = Image.new("P", (20, 20), 1)
    image.putpalette([255, 0, 0, 0, 0, 255])
    image.paste(0, (0, 0, 10, 20))
    image.save(source, transparency=0)
    pixels = np.asarray(doubled(upscaler, source, "x.png"))
    assert (pixels[:, :10, 3] == 0).all()
    assert (pixels[pixels[:, :, 3] > 0][:, :3] == (0, 0, 255)).all()


@pytest.mark.parametrize("belongings", [{}, {"icc_profile": b"broken"}])
def test_cmyk_is_converted_with_a_warning(
    upscaler: Upscaler, tmp_path: Path, caplog: pytest.LogCaptureFixture, belongings: dict[str, Any]
) -> None:
    source = tmp_path / "print.jpg"
    Image.new("CMYK", (20, 20), (0, 255, 255, 0)).save(source, quality=95, **belongings)
    image = doubled(upscaler, source, "x.png")
    assert image.mode == "RGB"
    assert np.abs(np.asarray(image).astype(int) - (255, 0, 0)).max() <= 1
    assert "CMYK" in caplog.text


def test_cmyk_is_converted_by_its_profile(upscaler: Upscaler, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    source = tmp_path / "print.tif"
    cmyk = pyvips.Image.new_from_array(np.full((10, 10, 3), (180, 120, 90), np.uint8)).copy(interpretation="srgb")
    cmyk.icc_export(output_profile="cmyk").tiffsave(str(source))
    image = doubled(upscaler, source, "x.png")
    assert np.abs(np.asarray(image).astype(int) - (180, 120, 90)).max() < 25
    assert "by its profile" in caplog.text
    assert "icc_profile" not in image.info


def test_of_a_heic_its_primary_picture_is_read(tmp_path: Path) -> None:
    pillow_heif = pytest.importorskip("pillow_heif")
    file = pillow_heif.HeifFile()
    for size, colour in (((64, 32), "red"), ((64, 64), "lime")):
        file.add_from_pillow(Image.new("RGB", size, colour))
    file.save(tmp_path / "a.heic", primary_index=1)
    (frame,) = read_frames(read_header(tmp_path / "a.heic"))
    assert frame.pixels.shape == (64, 64, 3)
    assert np.abs(frame.pixels.astype(int) - (0, 255, 0)).max() < 5


def test_a_heic_that_is_smaller_than_it_says_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("pillow_heif")
    Image.fromarray(photo_like(39, 59)).save(tmp_path / "a.heic")
    content = (tmp_path / "a.heic").read_bytes()
    width = content.index(b"clap") + 4  # of the part that is shown
    (tmp_path / "a.heic").write_bytes(content[:width] + (64).to_bytes(4, "big") + content[width + 4 :])
    with pytest.raises(PictureError, match="another size than the header declares"):
        list(read_frames(read_header(tmp_path / "a.heic")))


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif", ".webp", ".bmp", ".gif", ".avif", ".heic"])
def test_every_format_in_and_out(upscaler: Upscaler, tmp_path: Path, suffix: str) -> None:
    if suffix not in BY_SUFFIX:
        pytest.skip("the extra heic is not installed")
    flat = tmp_path / f"flat{suffix}"
    Image.new("RGB", (31, 17), (255, 255, 255)).save(flat)
    image = doubled(upscaler, flat, f"x{suffix}")
    assert image.size == (62, 34)
    assert np.abs(np.asarray(image.convert("RGB")).astype(int) - 255).max() <= 1


def test_jpeg_quality_and_full_colour_resolution(upscaler: Upscaler, camera_photo: Path) -> None:
    fine, coarse = (doubled(upscaler, camera_photo, f"{q}.jpg", quality=q) for q in (95, 40))
    assert isinstance(fine, JpegImageFile)
    assert isinstance(coarse, JpegImageFile)
    assert all(component[1:3] == (1, 1) for component in fine.layer)
    assert fine.quantization[0][0] < coarse.quantization[0][0]


def test_twice_is_four_times(upscaler: Upscaler, tmp_path: Path) -> None:
    source = tmp_path / "photo.png"
    pixels = photo_like(20, 30)
    Image.fromarray(pixels).save(source)
    reports = list(double_file(upscaler, source, tmp_path / "x.png", Options(times=2)))
    result = np.asarray(Image.open(tmp_path / "x.png"))
    assert (result == upscaler.upscale(upscaler.upscale(pixels))).all()
    assert all(a.share <= b.share for a, b in pairwise(reports))
    assert reports[-1].share == 1


@pytest.mark.parametrize("source_suffix", [".gif", ".webp", ".apng"])
@pytest.mark.parametrize("suffix", [".gif", ".webp", ".png"])
def test_animations_keep_every_frame_and_its_time(
    upscaler: Upscaler, tmp_path: Path, source_suffix: str, suffix: str
) -> None:
    frames = [Image.fromarray(photo_like(20, 30, seed)) for seed in range(3)]
    source = tmp_path / f"moving{source_suffix}"
    format = "PNG" if source_suffix == ".apng" else None
    frames[0].save(
        source, format=format, save_all=True, append_images=frames[1:], duration=[100, 200, 300], loop=2, lossless=True
    )
    image = doubled(upscaler, source, f"x{suffix}")
    times = []
    for n in range(3):
        image.seek(n)
        image.load()
        times.append(image.info["duration"])
        before = upscaler.upscale(np.asarray(frames[n]))
        assert np.abs(np.asarray(image.convert("RGB")).astype(int) - before).mean() < 12  # a GIF has 256 colours
    assert image.n_frames == 3  # type: ignore[attr-defined]
    assert image.size == (60, 40)
    assert times == [100, 200, 300]
    repeated = 1 if suffix == ".gif" else 0  # a GIF counts what comes after the first time
    assert image.info["loop"] + repeated == 2 + (source_suffix == ".gif")


def test_a_transparent_animation_does_not_show_the_previous_frame(upscaler: Upscaler, tmp_path: Path) -> None:
    frames = []
    for x in (0, 20):
        frame = Image.new("RGBA", (40, 20), (0, 0, 0, 0))
        frame.paste((250, 10, 10, 255), (x, 0, x + 20, 20))
        frames.append(frame)
    source = tmp_path / "moving.gif"
    frames[0].save(source, save_all=True, append_images=frames[1:], duration=100, disposal=2)
    image = doubled(upscaler, source, "x.gif")
    image.seek(1)
    alpha = np.asarray(image.convert("RGBA"))[:, :, 3]
    assert (alpha[:, :30] == 0).all()
    assert (alpha[:, 50:] == 255).all()


@pytest.mark.parametrize("sizes", [[(20, 30)] * 3, [(20, 30), (10, 40), (7, 5)], [(4, 5)] * 100])
def test_all_pages_of_a_tiff(upscaler: Upscaler, tmp_path: Path, sizes: list[tuple[int, int]]) -> None:
    pages = [photo_like(*size, seed) for seed, size in enumerate(sizes)]
    images = [Image.fromarray(page) for page in pages]
    source = tmp_path / "pages.tif"
    images[0].save(source, save_all=True, append_images=images[1:], dpi=(150, 150))
    image = doubled(upscaler, source, "x.tif")
    for n, page in enumerate(pages):
        image.seek(n)
        assert (np.asarray(image) == upscaler.upscale(page)).all()
        assert image.info["dpi"] == pytest.approx((150, 150))


def test_pages_of_16_bits(upscaler: Upscaler, tmp_path: Path) -> None:
    pages = [np.full((4, 5, 3), level, np.uint16) for level in (1_000, 50_000)]
    source = tmp_path / "pages.tif"
    stacked = pyvips.Image.new_from_array(np.vstack(pages)).copy(interpretation="rgb16")
    stacked.set_type(pyvips.GValue.gint_type, "page-height", 4)
    stacked.tiffsave(str(source))
    assert doubled(upscaler, source, "x.tif").n_frames == 2  # type: ignore[attr-defined]
    for n, level in enumerate((1_000, 50_000)):
        assert (pyvips.Image.tiffload(str(tmp_path / "x.tif"), page=n).numpy() == level).all()


def test_cancelling_leaves_no_file(upscaler: Upscaler, tmp_path: Path) -> None:
    source = tmp_path / "photo.png"
    Image.fromarray(photo_like(100, 100)).save(source)
    shares = [progress.share for progress in double_file(upscaler, source, tmp_path / "whole.png")]
    steps = shares.index(1.0) + 1  # some more come while a slow machine encodes
    before = sorted(tmp_path.iterdir())
    for stop_after in (1, steps // 2, steps):  # the last one: during encoding
        doubling = double_file(upscaler, source, tmp_path / "x.png")
        for _ in range(stop_after):
            next(doubling)
        doubling.close()
        assert sorted(tmp_path.iterdir()) == before
