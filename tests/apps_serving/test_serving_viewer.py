"""Tiles and markup of the viewer."""

from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
import pyvips
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from apps.serving.viewer import tiles
from apps.serving.viewer.comparison import TILE, Comparison
from apps.serving.viewer.markup import markup
from apps.serving.viewer.tiles import centre_of_most, write
from support.pictures import photo_like
from upscaler import PictureError

PHOTO = np.asarray(Image.fromarray(photo_like(60, 90)).filter(ImageFilter.GaussianBlur(2)))  # JPEG loses no noise
ALPHA = np.dstack([PHOTO, np.tile(np.linspace(0, 255, 90).astype(np.uint8), (60, 1))])


def written(folder: Path, small: NDArray[np.uint8], large: NDArray[np.uint8]) -> Comparison:
    source, doubled = folder / "a.png", folder / "a_2x.png"
    Image.fromarray(small).save(source)
    Image.fromarray(large).save(doubled)
    return write(source, doubled, folder / "tiles")


def joined(folder: Path, name: str, comparison: Comparison) -> NDArray[np.uint8]:
    """Return the largest level of a picture, put together from its tiles."""
    width, height = comparison.size if name == "original" else comparison.doubled_size
    level = max((folder / "tiles" / name).iterdir(), key=lambda path: int(path.name))
    rows = [
        np.hstack(
            [np.asarray(Image.open(level / f"{x}_{y}{comparison.suffix}")) for x in range(-(-width // TILE))],
        )
        for y in range(-(-height // TILE))
    ]
    return np.vstack(rows)


@pytest.mark.slow
@pytest.mark.parametrize(("across", "down"), [(0.25, 0.75), (0.7, 0.3)])
def test_the_spot_is_where_the_pictures_differ(tmp_path: Path, across: float, down: float) -> None:
    small = np.full((1500, 2000, 3), 90, np.uint8)
    large = np.full((3000, 4000, 3), 90, np.uint8)
    x, y = int(across * 4000), int(down * 3000)
    large[y - 200 : y + 200, x - 300 : x + 300][::2] = 200
    comparison = written(tmp_path, small, large)
    assert abs(comparison.spot[0] - across) * 4000 < 350  # the view holds all of it
    assert abs(comparison.spot[1] - down) * 3000 < 150


@given(arrays(np.uint8, st.tuples(st.integers(1, 90), st.integers(1, 90))))
def test_the_spot_is_inside_the_picture(cells: NDArray[np.uint8]) -> None:
    height, width = cells.shape
    across, down = centre_of_most(cells, (16 * width - 15, 16 * height - 15))
    assert 0 < across <= 1
    assert 0 < down <= 1


@pytest.mark.slow
@pytest.mark.parametrize("size", [(1, 1), (3, 2), (90, 60), (1, 20_000), (513, 1025), (600, 40)])
def test_every_pixel_is_in_one_tile(tmp_path: Path, size: tuple[int, int]) -> None:
    width, height = size
    small = np.dstack([photo_like(height, width), np.full((height, width), 200, np.uint8)])
    large = small.repeat(2, 0).repeat(2, 1)
    comparison = written(tmp_path, small, large)
    assert (comparison.size, comparison.doubled_size) == (size, (2 * width, 2 * height))
    assert np.array_equal(joined(tmp_path, "original", comparison), small)
    assert np.array_equal(joined(tmp_path, "upscaled", comparison), large)


def test_the_smallest_level_is_one_tile(tmp_path: Path) -> None:
    write_flat(tmp_path, 1025, 1023)
    levels = sorted((tmp_path / "tiles" / "original").iterdir())
    assert [path.name for path in levels] == ["0", "1", "2"]
    with Image.open(levels[0] / "0_0.jpg") as image:
        assert image.size == (257, 256)  # rounded up at each halving, as the script does
    assert sorted(path.name for path in (tmp_path / "tiles").iterdir()) == ["original", "upscaled"]


def write_flat(folder: Path, width: int, height: int) -> Comparison:
    flat = np.full((height, width, 3), 90, np.uint8)
    return written(folder, flat, flat.repeat(2, 0).repeat(2, 1))


def test_transparency_is_kept_and_opaque_pictures_are_jpegs(tmp_path: Path) -> None:
    comparison = written(tmp_path, ALPHA, ALPHA.repeat(2, 0).repeat(2, 1))
    assert (comparison.suffix, comparison.transparent) == (".png", True)
    (tmp_path / "opaque").mkdir()
    comparison = written(tmp_path / "opaque", PHOTO, PHOTO.repeat(2, 0).repeat(2, 1))
    assert (comparison.suffix, comparison.transparent) == (".jpg", False)
    shown = joined(tmp_path / "opaque", "original", comparison).astype(int)
    assert np.abs(shown - PHOTO).mean() < 3


def test_what_is_under_transparent_pixels_is_no_difference(tmp_path: Path) -> None:
    small = np.zeros((1000, 1500, 4), np.uint8)
    large = np.zeros((2000, 3000, 4), np.uint8)
    large[:600, :1200, :3] = 255  # hidden
    large[1500:1600, 2500:2600, 3] = 255
    across, down = written(tmp_path, small, large).spot
    assert across > 0.6
    assert down > 0.6


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_16_bits_are_shown_in_8(tmp_path: Path, suffix: str) -> None:
    source, doubled = tmp_path / f"a{suffix}", tmp_path / f"a_2x{suffix}"
    deep = pyvips.Image.new_from_array(PHOTO.astype(np.uint16) * 257)
    deep.write_to_file(str(source))
    deep.write_to_file(str(doubled))
    comparison = write(source, doubled, tmp_path / "tiles")
    shown = joined(tmp_path, "upscaled", comparison).astype(int)
    assert np.abs(shown - PHOTO).mean() < 3


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".tif"])
def test_colours_are_converted_by_the_profile(tmp_path: Path, suffix: str) -> None:
    profile = p3()
    path = tmp_path / f"a{suffix}"
    Image.new("RGB", (40, 30), (200, 90, 60)).save(path, icc_profile=profile)
    comparison = write(path, path, tmp_path / "tiles")
    shown = joined(tmp_path, "upscaled", comparison).mean((0, 1))
    assert np.abs(shown - (216, 84, 50)).max() < 6  # the same colour in sRGB


def p3() -> bytes:
    """Return the profile Display P3."""
    return bytes(pyvips.Image.profile_load("p3"))


def test_a_broken_profile_is_ignored(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    Image.new("RGB", (40, 30), (200, 90, 60)).save(path, icc_profile=b"no profile", quality=100)
    comparison = write(path, path, tmp_path / "tiles")
    assert np.abs(joined(tmp_path, "upscaled", comparison).mean((0, 1)) - (200, 90, 60)).max() < 3


def test_a_rotated_photo_is_shown_upright(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(np.rot90(PHOTO).copy()).save(path, exif=exif, quality=100, subsampling=0)
    comparison = write(path, path, tmp_path / "tiles")
    assert comparison.size == (90, 60)
    assert np.abs(joined(tmp_path, "original", comparison).astype(int) - PHOTO).mean() < 3


def test_only_the_first_frame_is_shown(tmp_path: Path) -> None:
    path = tmp_path / "a.gif"
    frames = [Image.new("RGB", (40, 30), colour) for colour in ("red", "blue")]
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=90)
    comparison = write(path, path, tmp_path / "tiles")
    assert comparison.size == (40, 30)
    assert joined(tmp_path, "original", comparison)[15, 20, :3].tolist() == pytest.approx([255, 0, 0], abs=4)


def test_what_libvips_cannot_write_is_refused_in_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tiles, "_OPAQUE", ".unknown")
    with pytest.raises(PictureError, match=r"^a_2x\.png cannot be shown; download it instead$"):
        write_flat(tmp_path, 40, 30)


def test_metadata_is_not_in_the_tiles(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    exif = Image.Exif()
    exif[0x010E] = "a secret"
    Image.fromarray(PHOTO).save(path, exif=exif)
    write(path, path, tmp_path / "tiles")
    files = [file for file in (tmp_path / "tiles").rglob("*") if file.is_file()]
    assert len(files) == 2
    assert not any(b"secret" in file.read_bytes() for file in files)


def test_the_markup_is_one_element_and_escapes_the_address(tmp_path: Path) -> None:
    comparison = write_flat(tmp_path, 40, 30)
    parser = Elements()
    parser.feed(markup(comparison, '/file=/tmp/"><script>'))
    name, attributes = parser.found[0]
    assert name == "photo-comparison"
    assert attributes["data-address"] == '/file=/tmp/"><script>'
    assert attributes["data-doubled-size"] == "80 60"
    assert "script" not in {name for name, _ in parser.found}


class Elements(HTMLParser):
    """Parser that lists the elements with their attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        """Note an element."""
        self.found.append((tag, dict(attributes)))
