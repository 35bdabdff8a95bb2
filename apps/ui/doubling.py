"""What the page's button does, without the page: files in, doubled files out, with progress."""

import logging
import secrets
import time
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image

from apps.serving.temporary import keep
from apps.ui import preview
from upscaler import DoubleResolutionError, Options, Upscaler, double_file
from upscaler.command import sentence_for
from upscaler.formats import BY_SUFFIX

AS_ORIGINAL = "as the original"
FORMATS = {"JPEG": ".jpg", "PNG": ".png", "WebP": ".webp", "TIFF": ".tif"}
SECONDS_BETWEEN = 0.2  # reports of progress

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Choices:
    """What a person may choose. format: one of FORMATS, or AS_ORIGINAL."""

    flips: bool = False
    four_times: bool = False
    format: str = AS_ORIGINAL
    quality: int = 95
    remove_location: bool = False


@dataclass(frozen=True)
class Doubled:
    """A finished picture: the file to download, and what to compare in the browser. Sizes are width, height."""

    source: Path
    file: Path
    before: Path
    after: Path
    size: tuple[int, int]
    doubled_size: tuple[int, int]
    seconds: float

    @property
    def megapixels_per_second(self) -> float:
        """Output megapixels a second, reading and writing counted."""
        return self.doubled_size[0] * self.doubled_size[1] / 1e6 / self.seconds


@dataclass
class Work:
    """How far a request is. `sentence` says what is being done; `share` in [0, 1]."""

    share: float = 0.0
    sentence: str = "Reading the picture"
    done: list[Doubled] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)


def double_all(upscaler: Upscaler, files: Sequence[Path], choices: Choices, folder: Path) -> Iterator[Work]:
    """Double each file into a new folder in `folder`; what fails is named, and the rest goes on. May be closed."""
    out = folder / secrets.token_hex(16)  # who does not know the name cannot ask for what lies there
    out.mkdir()
    uploads = [file for file in files if file.is_relative_to(folder)]  # a sample lies elsewhere, for good
    work = Work()
    for n, file in enumerate(files):
        place = f"{n + 1} of {len(files)}: " if len(files) > 1 else ""
        target = free_name(out, target_name(file, choices))
        try:
            for share, sentence in double_one(upscaler, file, target, choices, work):
                work.share, work.sentence = (n + share) / len(files), place + sentence
                keep([*uploads, *out.iterdir()])
                yield work
        except (DoubleResolutionError, OSError, MemoryError) as error:
            work.failed.append(said_to_the_person(error, file))
            _log.warning("a picture was refused: %s", type(error).__name__)
    work.share = 1.0
    keep(out.iterdir())
    yield work


def double_one(
    upscaler: Upscaler, file: Path, target: Path, choices: Choices, work: Work
) -> Iterator[tuple[float, str]]:
    """Double one file, yielding the share done and a sentence; appends to `work.done`."""
    began = reported = time.monotonic()
    yield 0.0, "Reading the picture"
    for progress in double_file(upscaler, file, target, options(choices)):
        if time.monotonic() - reported > SECONDS_BETWEEN:
            reported = time.monotonic()
            left, speed = progress.seconds_left, progress.megapixels_per_second
            yield progress.share, f"{progress.share:.0%} · {speed:.1f} megapixels a second · {left:.0f} s left"
    seconds = time.monotonic() - began
    yield 1.0, "Preparing the comparison"
    before, after = preview.write_pair(file, target, target.parent)
    work.done.append(Doubled(file, target, before, after, picture_size(file), picture_size(target), seconds))


def options(choices: Choices) -> Options:
    """The choices in the upscaler's terms."""
    return Options(
        quality=choices.quality,
        times=2 if choices.four_times else 1,
        flips=choices.flips,
        remove_location=choices.remove_location,
    )


def target_name(file: Path, choices: Choices) -> str:
    """photo.jpg -> photo_2x.jpg, in the chosen format; PNG if the original's cannot be written."""
    own = file.suffix if file.suffix.lower() in BY_SUFFIX else ".png"
    return f"{file.stem}_{'4x' if choices.four_times else '2x'}{FORMATS.get(choices.format, own)}"


def free_name(folder: Path, name: str) -> Path:
    """A path for a file of this name that is not taken: two photos may have one name."""
    path, n = folder / name, 1
    while path.exists():
        n += 1
        path = folder / f"{Path(name).stem} ({n}){Path(name).suffix}"
    return path


def zip_of(done: Sequence[Doubled]) -> Path:
    """All results in one zip; they are compressed already."""
    path = done[0].file.parent / "doubled.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for doubled in done:
            archive.write(doubled.file, doubled.file.name)
    return path


def picture_size(path: Path) -> tuple[int, int]:
    """Width and height, upright."""
    with Image.open(path) as image:
        width, height = image.size
        lies_on_its_side = image.getexif().get(0x0112, 1) >= 5  # EXIF orientation
        return (height, width) if lies_on_its_side else (width, height)


def said_to_the_person(error: Exception, file: Path) -> str:
    """The failure in one sentence that names the file as its owner knows it."""
    if isinstance(error, MemoryError):
        return f"{file.name} does not fit into this machine's memory; make it smaller."
    if isinstance(error, FileNotFoundError):
        return f"{file.name} is deleted by now; choose it again."
    sentence = sentence_for(error) if isinstance(error, OSError) else str(error)
    return sentence.replace(str(file), file.name).replace(" or raise --max-pixels", "") + "."
