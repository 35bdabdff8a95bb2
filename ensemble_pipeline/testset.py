"""Test sets: pairs of LR input and ground truth."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ensemble_pipeline.config import Kind
from ensemble_pipeline.errors import EnsembleError
from feature_pipeline import shards, tile_index
from feature_pipeline.compression import compressed
from feature_pipeline.duplicates import Looks
from feature_pipeline.manifest import SampleInfo, image_id
from feature_pipeline.samples import perceptual_hashes
from feature_pipeline.shards import Entry
from feature_pipeline.spacing import spread
from training_pipeline import held_out
from training_pipeline.markdown import one_line
from upscaler import bicubic
from upscaler.errors import PictureError
from upscaler.flat import is_flat
from upscaler.links import followed
from upscaler.pictures.formats import BY_SUFFIX
from upscaler.pictures.reading import read_rgb8
from upscaler.pixels import Pixels

SMALLEST = 16  # pixels a side: SSIM has windows of 11, and two border pixels are left out


@dataclass(frozen=True)
class Pair:
    """An LR input and its ground truth, twice as wide and high, both HWC uint8 RGB.

    `picture`: id of the picture, of which there may be several tiles, or name of its file. `credit`: its author.
    """

    name: str
    picture: str
    lr: Pixels
    hr: Pixels
    credit: str = ""


@dataclass(frozen=True)
class TestSet:
    """Pairs that are read at each iteration, so that a set may be larger than memory.

    `jpeg_quality`: compress the LR inputs at this quality, as photos on the web are.
    """

    __test__ = False  # or pytest would collect the class

    name: str
    sources: Sequence[Path | Entry]
    jpeg_quality: int | None = None

    def __len__(self) -> int:
        return len(self.sources)

    @property
    def count(self) -> int:
        """The number of pictures."""
        return len({source.image_id if isinstance(source, Entry) else source.name for source in self.sources})

    def pictures(self) -> dict[str, Looks]:
        """Return the perceptual hashes of the pictures by id. Raises EnsembleError if one cannot be read.

        A file has the id that it would have in training; files that share one are one entry, with the hashes of all.
        """
        found = shards.pictures(tile for tile in self.sources if isinstance(tile, Entry))
        for file in self.sources:
            if isinstance(file, Path):
                identity = image_id(file.name)
                found[identity] = (*found.get(identity, ()), *perceptual_hashes(_read(file)))
        return found

    def __iter__(self) -> Iterator[Pair]:
        for source in self.sources:
            pair = _tile(source) if isinstance(source, Entry) else _halved(source)
            yield replace(pair, lr=compressed(pair.lr, self.jpeg_quality)) if self.jpeg_quality else pair

    def spread(self, most: int) -> "TestSet":
        """Return at most `most` of the pairs, evenly spaced."""
        return replace(self, sources=spread(self.sources, most))


def read(folder: Path, kind: Kind, jpeg_quality: int | None = None) -> TestSet:
    """Return the test set in a folder, sorted by name. Raises EnsembleError or FeatureError if it is empty.

    Of the part `test` of Open Images, only the pictures to compare models on: the others are for the final test.
    """
    name = followed(folder).name
    sources: Sequence[Path | Entry]
    if kind == "pictures":
        sources = _pictures(folder)
    elif held_out.is_test(tiles := tile_index.of([folder])):
        sources = first = held_out.comparison(tiles)
        name = f"{name}, first {len(first.ids)} pictures"
    else:
        sources = tiles
    if not sources:
        raise EnsembleError(f"{folder} has no test pictures; give a folder of PNG, JPEG, TIFF or WebP files")
    return TestSet(f"{name}, JPEG {jpeg_quality}" if jpeg_quality else name, sources, jpeg_quality)


def joined(tests: Sequence[TestSet]) -> TestSet:
    """Return one test set with the pairs of all."""
    sources = [source for test in tests for source in test.sources]
    return TestSet(", ".join(test.name for test in tests), sources, tests[0].jpeg_quality)


def _pictures(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("*") if path.suffix.lower() in BY_SUFFIX)


def _halved(path: Path) -> Pair:
    """Read a picture, crop it to even sides and downscale it."""
    picture = _read(path)
    height, width = picture.shape[:2]
    hr = picture[: height // 2 * 2, : width // 2 * 2]
    if min(hr.shape[:2]) < SMALLEST:
        raise EnsembleError(f"{path} is smaller than {SMALLEST} pixels a side; remove it from the test set")
    if is_flat(hr):
        raise EnsembleError(f"{path} is of one colour, which any method upscales exactly; remove it from the test set")
    return Pair(path.name, path.name, bicubic.halve(hr), hr)


def _read(path: Path) -> Pixels:
    try:
        return read_rgb8(path)
    except (OSError, PictureError) as error:
        raise EnsembleError(f"{path} cannot be read as a picture; remove it from the test set") from error


def _tile(entry: Entry) -> Pair:
    sample = shards.load(entry)
    info = sample.info
    return Pair(sample.key, info.image_id, sample.lr, sample.hr, _credit(info))


def _credit(info: SampleInfo) -> str:
    title, author, license = map(one_line, (info.title or info.image_id, info.author, info.license))
    return f"{title} by {author}, {license}" if author else one_line(info.image_id)
