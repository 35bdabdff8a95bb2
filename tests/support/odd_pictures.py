"""Pictures as people have them: small files of the kinds that other programs got wrong. Each function returns one."""

import io
import struct
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from support.pictures import photo_like
from support.tiff_blocks import Tag, block, shorts, tiff

SIZE = WIDTH, HEIGHT = 60, 40
PHOTO = photo_like(HEIGHT, WIDTH)
DEEP = PHOTO.astype(np.uint16) * 257
XMP = (
    '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    '<rdf:Description rdf:about=""{}/></rdf:RDF></x:xmpmeta>'
)
TURNED = (274, 3, 1, shorts(6))
CAPTION = b"\x1c\x02\x78\x00\x06A bird"
RESOURCE = b"8BIM\x04\x04\0\0" + len(CAPTION).to_bytes(4, "big") + CAPTION + bytes(len(CAPTION) % 2)


def saved(format: str, pixels: NDArray[Any] = PHOTO, **options: Any) -> bytes:
    """Return a picture as Pillow writes it."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, format, **options)
    return file.getvalue()


def jpeg_with_exif(*tags: Tag, **below: list[Tag]) -> bytes:
    """Return a JPEG with EXIF of any tags."""
    return saved("JPEG", exif=b"Exif\0\0" + block(list(tags), "<", **below))


def jpeg_with_xmp(attributes: str) -> bytes:
    """Return a JPEG with XMP of these attributes."""
    return saved("JPEG", xmp=XMP.format(attributes).encode())


def chunk(kind: bytes, data: bytes) -> bytes:
    """Return a chunk of a PNG."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_with(*chunks: bytes, pixels: NDArray[Any] = PHOTO) -> bytes:
    """Return a PNG with chunks after its header."""
    plain = saved("PNG", pixels)
    return plain[:33] + b"".join(chunks) + plain[33:]


def gray_then(*second: Tag, pixels: NDArray[Any]) -> bytes:
    """Return a TIFF of two pages, 16-bit gray and this one."""
    return tiff((DEEP[:, :, :1], []), (pixels, list(second)))


def tiff_rgb_then_gray_page() -> bytes:
    """Return pages that differ in their channels, with a tag that is EXIF too."""
    return tiff((PHOTO, [(305, 2, 7, b"Camera\0")]), (PHOTO[:, :, :1], []))


def geotiff() -> bytes:
    """Return a map of 10 m a pixel."""
    scale, tie = struct.pack("<3d", 10, 10, 0), struct.pack("<6d", 0, 0, 0, 500, 600, 0)
    return tiff((PHOTO, [(33550, 12, 3, scale), (33922, 12, 6, tie)]))


def camera_raw() -> bytes:
    """Return a DNG whose first page is a preview."""
    return tiff((PHOTO, [(254, 4, 1, struct.pack("<I", 1)), (50706, 1, 4, bytes([1, 4, 0, 0]))]))


def tiff_with_infrared() -> bytes:
    """Return a scan of film whose fourth channel is infrared, nearly black."""
    pixels = np.dstack([DEEP, np.full((HEIGHT, WIDTH), 300, np.uint16)])
    return tiff((pixels, [(338, 3, 1, shorts(0))]))


def mpo() -> bytes:
    """Return a camera's JPEG with a second picture in it."""
    return saved("MPO", save_all=True, append_images=[Image.fromarray(PHOTO[:20, :30])])


def gain_map() -> bytes:
    """Return a JPEG whose XMP announces a gain map, with the map behind it."""
    said = ' xmlns:hdrgm="http://ns.adobe.com/hdr-gain-map/1.0/" hdrgm:Version="1.0"'
    return jpeg_with_xmp(said) + saved("JPEG", PHOTO[::4, ::4, 0].copy())


def jpeg_of_12_bits() -> bytes:
    """Return a JPEG whose header says 12 bits a channel."""
    content = bytearray(saved("JPEG"))
    frame = content.index(b"\xff\xc0")
    content[frame + 1], content[frame + 4] = 0xC1, 12
    return bytes(content)


def apng_with_still_picture() -> bytes:
    """Return an APNG of three frames behind a picture for viewers without animation."""
    frames = [Image.fromarray(photo_like(HEIGHT, WIDTH, seed)) for seed in (1, 2, 3)]
    return saved("PNG", save_all=True, append_images=frames, default_image=True, duration=[40, 50, 60], loop=0)


def apng_of_16_bits() -> bytes:
    """Return an APNG of two frames of 16 bits."""
    rows = [b"\0" + row.astype(">u2").tobytes() for row in DEEP]
    first, second = zlib.compress(b"".join(rows)), zlib.compress(b"".join(rows[::-1]))
    control = struct.pack(">IIIIHHBB", WIDTH, HEIGHT, 0, 0, 50, 1000, 0, 0)
    frames = chunk(b"fcTL", struct.pack(">I", 0) + control) + chunk(b"IDAT", first)
    frames += chunk(b"fcTL", struct.pack(">I", 1) + control) + chunk(b"fdAT", struct.pack(">I", 2) + second)
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", WIDTH, HEIGHT, 16, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"acTL", struct.pack(">II", 2, 0)) + frames + chunk(b"IEND", b"")


def png_with_bad_profile_checksum() -> bytes:
    """Return a PNG whose profile has a wrong checksum."""
    profile = bytearray(chunk(b"iCCP", b"name\0\0" + zlib.compress(bytes(200))))
    profile[-1] ^= 1
    return png_with(bytes(profile))


def avif_in_display_p3() -> bytes:
    """Return an AVIF whose box of colour says Display P3."""
    content = bytearray(saved("AVIF", quality=95))
    content[content.index(b"colrnclx") + 9] = 12  # the primaries
    return bytes(content)


def jpeg_with_iptc() -> bytes:
    """Return a camera's JPEG in Adobe RGB, said by its interoperability directory, with a caption as IPTC."""
    segment = b"Photoshop 3.0\0" + RESOURCE
    extra = b"\xff\xed" + (len(segment) + 2).to_bytes(2, "big") + segment
    exif = block([(271, 2, 4, b"Cam\0")], exif=[(37396, 3, 2, shorts(10, 20))], interop=[(1, 2, 4, b"R03\0")])
    return saved("JPEG", exif=b"Exif\0\0" + exif, extra=extra)


SIGNED = (2, 10, 3, struct.pack("<6i", 48, 1, 8, 1, 0, 1))
LAYERS = (37724, 7, 100_000, bytes(100_000))
LOCATION = (
    ' xmlns:drone-dji="http://www.dji.com/drone-dji/1.0/" drone-dji:GpsLatitude="+48.1"'
    ' xmlns:photoshop="http://ns.adobe.com/photoshop/1.0/" photoshop:City="Bozen"'
)

# By the name under which the kind was reported; those of REFUSED get a sentence, all others are upscaled.
ODD: dict[str, Callable[[], bytes]] = {
    "apng_16bit.png": apng_of_16_bits,
    "apng_default_image_times.png": apng_with_still_picture,
    "avif_display_p3_nclx.avif": avif_in_display_p3,
    "camera_raw_preview.dng.tif": camera_raw,
    "geotiff_pixel_scale.tif": geotiff,
    "jpeg_12bit.jpg": jpeg_of_12_bits,
    "jpeg_dji_location_in_xmp.jpg": lambda: jpeg_with_xmp(LOCATION),
    "jpeg_exif_text_utf8.jpg": lambda: jpeg_with_exif((315, 2, 13, "José Müller".encode())),
    "jpeg_gps_ref_as_rational.jpg": lambda: jpeg_with_exif(gps=[(1, 5, 1, bytes(8)), SIGNED]),
    "jpeg_gps_signed_rationals.jpg": lambda: jpeg_with_exif(gps=[SIGNED]),
    "jpeg_iptc_interop_r03.jpg": jpeg_with_iptc,
    "jpeg_mpo_camera.jpg": mpo,
    "jpeg_samsung_exposure_bias.jpg": lambda: jpeg_with_exif(TURNED, exif=[(37380, 5, 1, struct.pack("<iI", -2, 0))]),
    "jpeg_ultra_hdr_gain_map.jpg": gain_map,
    "openimages_odd_exif.jpg": lambda: jpeg_with_exif(TURNED, (34665, 2, 3, b"no\0")),
    "photo.jfif": lambda: saved("JPEG"),
    "png_bad_crc_in_iccp.png": png_with_bad_profile_checksum,
    "png_cicp_pq.png": lambda: png_with(chunk(b"cICP", b"\x09\x10\0\1")),
    "png_text_parameters.png": lambda: png_with(chunk(b"tEXt", b"parameters\0a bird, steps 20")),
    "png_xmp_70kB.png": lambda: png_with(chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + long_xmp())),
    "tiff_16bit_rgb_infrared.tif": tiff_with_infrared,
    "tiff_16bit_second_page_upside_down.tif": lambda: gray_then((274, 3, 1, shorts(3)), pixels=DEEP[:, :, :1]),
    "tiff_16bit_then_8bit_page.tif": lambda: gray_then(pixels=PHOTO[:, :, :1]),
    "tiff_photoshop_layers_37724.tif": lambda: tiff((PHOTO, [LAYERS])),
    "tiff_rgb_then_gray_page.tif": tiff_rgb_then_gray_page,
    "webp_lossless.webp": lambda: saved("WEBP", lossless=True),
}
REFUSED = {
    "camera_raw_preview.dng.tif": "is a camera raw file, which holds no finished picture",
    "jpeg_12bit.jpg": "is a JPEG of 12 bits per channel, which is not supported; save it with 8 bits",
}


def long_xmp() -> bytes:
    """Return XMP that no segment of a JPEG can hold."""
    return XMP.format(f' xmlns:x1="http://example.org/" x1:History="{"edited " * 10_000}"').encode()
