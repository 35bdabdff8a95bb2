"""Opening of pictures for display: colours, orientation and memory."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pyvips
from numpy.typing import NDArray
from PIL import Image, ImageCms

from apps.serving.viewer import opening
from support.odd_pictures import ODD
from support.pictures import photo_like
from support.tiff_blocks import shorts, tiff
from upscaler import PictureError
from upscaler.pictures import budget
from upscaler.pictures.reading import read_frames, read_header

ROOT = Path(__file__).parents[2]
PHOTO = photo_like(60, 90)
ALPHA = np.dstack([PHOTO, np.tile(np.arange(90, dtype=np.uint8), (60, 1))])
DEEP = pyvips.Image.new_from_array(PHOTO.astype(np.uint16) * 257)
WRITTEN = {
    "photo.jpg": Image.fromarray(PHOTO),
    "gray.jpg": Image.fromarray(PHOTO).convert("L"),
    "cmyk.jpg": Image.fromarray(PHOTO).convert("CMYK"),
    "transparent.png": Image.fromarray(ALPHA),
    "gray_transparent.png": Image.fromarray(ALPHA).convert("LA"),
    "colours.png": Image.fromarray(PHOTO).quantize(),
    "transparent.webp": Image.fromarray(ALPHA),
    "photo.gif": Image.fromarray(PHOTO),
    "photo.bmp": Image.fromarray(PHOTO),
    "cmyk.tif": Image.fromarray(PHOTO).convert("CMYK"),
    "deep.png": DEEP,
    "deep.tif": DEEP,
    "deep.avif": DEEP.copy(interpretation="rgb16"),
}


@pytest.fixture(params=WRITTEN)
def picture(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path: Path = tmp_path / request.param
    image = WRITTEN[request.param]
    image.write_to_file(str(path)) if isinstance(image, pyvips.Image) else image.save(path)
    return path


def test_displayed_colours_are_those_of_the_result(picture: Path) -> None:
    doubled: NDArray[Any] = next(read_frames(read_header(picture))).pixels
    displayed = opening.in_srgb(opening.opened(picture)).numpy()
    if doubled.dtype == np.uint16:
        doubled = (doubled >> 8).astype(np.uint8)
    if doubled.shape[2] < 3:
        doubled = np.dstack([doubled[:, :, :1]] * 3 + [doubled[:, :, 1:]])
    assert np.array_equal(displayed, doubled)


@pytest.mark.parametrize("suffix", [".png", ".webp", ".gif", ".avif", ".jp2"])
def test_transparency_of_every_format_is_seen(tmp_path: Path, suffix: str) -> None:
    cut_out = np.dstack([PHOTO, np.tile(np.arange(90) < 45, (60, 1)) * np.uint8(255)])
    for pixels, transparent in ((cut_out, True), (PHOTO, False)):
        Image.fromarray(pixels).save(tmp_path / f"a{suffix}")
        assert opening.opened(tmp_path / f"a{suffix}").hasalpha() == transparent


def test_channels_that_are_no_alpha_do_not_hide_the_picture(tmp_path: Path) -> None:
    infrared = np.dstack([PHOTO, np.zeros((60, 90), np.uint8)])
    (tmp_path / "film.tif").write_bytes(tiff((infrared, [(338, 3, 1, shorts(0))])))
    displayed = opening.in_srgb(opening.opened(tmp_path / "film.tif")).numpy()
    assert np.array_equal(np.asarray(displayed), PHOTO)


@pytest.mark.parametrize("format", ["PNG", "JPEG", "WEBP"])
def test_the_profile_is_that_of_the_pixels(tmp_path: Path, format: str) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    for given, kept in ((profile, profile), (b"a broken profile", None)):
        path = tmp_path / "a"
        Image.fromarray(PHOTO).save(path, format, icc_profile=given)
        image = opening.opened(path)
        assert (image.get("icc-profile-data") if image.get_typeof("icc-profile-data") else None) == kept


def test_hdr_is_not_shown_as_srgb(tmp_path: Path) -> None:
    (tmp_path / "hdr.png").write_bytes(ODD["png_cicp_pq.png"]())
    with pytest.raises(PictureError, match="HDR"):
        opening.opened(tmp_path / "hdr.png")


def test_a_picture_over_the_memory_budget_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.webp"
    Image.fromarray(PHOTO).save(path)
    monkeypatch.setattr(budget, "available_memory", lambda: 2 * 60 * 90)
    with pytest.raises(PictureError, match=r"a\.webp is too large to be looked at just now"):
        opening.opened(path)


MEASURED = """
import sys
from pathlib import Path
from apps.serving.viewer import tiles
from ensemble_pipeline.cost import peak_memory
source, doubled = map(Path, sys.argv[1:])
tiles.write(source, doubled, doubled.with_name("tiles"))
print(peak_memory())
"""


@pytest.mark.slow
@pytest.mark.parametrize("suffix", [".jpg", ".png"])
def test_a_large_picture_takes_little_memory(tmp_path: Path, suffix: str) -> None:
    small, large = (memory_of_tiles(tmp_path / str(repeats), suffix, repeats) for repeats in (1, 8))
    assert large - small < 2 * 8_000 * 8_000  # less than its pixels, of three bytes


def memory_of_tiles(folder: Path, suffix: str, repeats: int) -> int:
    """Return the peak memory in bytes of a process that writes the tiles of a picture of 1,000 `repeats` a side."""
    folder.mkdir()
    source, doubled = folder / "a.jpg", folder / f"a_2x{suffix}"
    tile = photo_like(500, 500)
    Image.fromarray(np.tile(tile, (repeats, repeats, 1))).save(source)
    Image.fromarray(np.tile(tile, (2 * repeats, 2 * repeats, 1))).save(doubled, compress_level=1)
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, str(source), str(doubled)],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    )
    return int(done.stdout)
