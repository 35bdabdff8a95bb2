"""Upscaling of uploaded files, one worker job each, with progress."""

import logging
import secrets
import time
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from pydantic import BaseModel, ConfigDict, PositiveInt

from apps.serving.messages import Nothing, Update
from apps.serving.temporary import keep
from apps.serving.worker import JobRefusedError, Worker, WorkerError
from upscaler import Limits, Options
from upscaler.atomic import remove_parts
from upscaler.command import sentence_for
from upscaler.pictures.formats import BY_SUFFIX

AS_ORIGINAL = "as the original"
FORMATS = {"JPEG": ".jpg", "PNG": ".png", "WebP": ".webp", "TIFF": ".tif"}

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Choices:
    """Options on the page. format: one of FORMATS, or AS_ORIGINAL."""

    flips: bool = False
    four_times: bool = False
    format: str = AS_ORIGINAL
    quality: int = 95
    remove_location: bool = False


@dataclass(frozen=True)
class Doubled:
    """An upscaled picture: the file to download and two previews. Sizes are (width, height)."""

    source: Path
    file: Path
    before: Path
    after: Path
    size: tuple[int, int]
    doubled_size: tuple[int, int]
    seconds: float

    @property
    def megapixels_per_second(self) -> float:
        """Throughput in output megapixels per second, including reading and writing."""
        return self.doubled_size[0] * self.doubled_size[1] / 1e6 / self.seconds


@dataclass
class BatchProgress:
    """Progress and results of a request. share: in [0, 1]. sentence: description of the present step."""

    share: float = 0.0
    sentence: str = "Reading the picture"
    done: list[Doubled] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)


class _Result(BaseModel):
    """Result of the worker: sizes as (width, height), upright; seconds of reading, upscaling and writing."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    size: tuple[PositiveInt, PositiveInt]
    doubled_size: tuple[PositiveInt, PositiveInt]
    seconds: float


def double_all(
    worker: Worker, model: str, files: Sequence[Path], choices: Choices, folder: Path
) -> Iterator[BatchProgress]:
    """Upscale files into a new folder in `folder`, yielding progress; failures are recorded, and the rest continues.

    All files together must finish within the worker's time limit for one job. Closing the iterator cancels.
    """
    out = folder / secrets.token_hex(16)  # unguessable, so that only its owner can request the results
    out.mkdir()
    uploads = [file for file in files if file.is_relative_to(folder)]  # samples are outside and never expire
    ends = time.monotonic() + worker.limits.seconds
    batch = BatchProgress()
    for n, file in enumerate(files):
        place = f"{n + 1} of {len(files)}: " if len(files) > 1 else ""
        target = free_name(out, target_name(file, choices))
        try:
            for share, sentence in double_one(worker, model, file, target, choices, batch, ends):
                batch.share, batch.sentence = (n + share) / len(files), place + sentence
                keep([*uploads, *out.iterdir()])
                yield batch
        except (JobRefusedError, WorkerError, OSError) as error:
            batch.failed.append(error_sentence(error, file))
            _log.warning("a picture was refused: %s", type(error).__name__)
        finally:
            remove_parts(out)
    batch.share = 1.0
    keep(out.iterdir())
    yield batch


def double_one(
    worker: Worker, model: str, file: Path, target: Path, choices: Choices, batch: BatchProgress, ends: float
) -> Iterator[tuple[float, str]]:
    """Upscale one file before the time `ends`, yielding the share done and a sentence; append to `batch.done`."""
    before, after = (target.with_name(f"{target.stem}_{name}.webp") for name in ("before", "after"))
    seconds = ends - time.monotonic()
    arguments = {"model": model, "options": asdict(options(choices, worker.limits.of_file(seconds)))}
    arguments |= {"source": str(file), "target": str(target), "before": str(before), "after": str(after)}
    for message in worker.run("double", arguments, _Result, seconds):
        if isinstance(message, Update):
            yield message.share, message.stage or speed(message)
        else:
            sizes = message.size, message.doubled_size
            batch.done.append(Doubled(file, target, before, after, *sizes, message.seconds))


def look_at(worker: Worker, doubled: Doubled, across: float, down: float) -> tuple[Path, Path]:
    """Write the detail at `across` and `down` percent, before and after upscaling, at full resolution.

    Raises FileNotFoundError if the pictures were deleted, and whatever else `Worker.run` raises.
    """
    place = f"{across:.0f}_{down:.0f}"  # part of the name; otherwise the browser would show a cached detail
    before, after = (doubled.file.with_name(f"{doubled.file.stem}_{name}_{place}.png") for name in ("before", "after"))
    arguments: dict[str, str | float] = {"source": str(doubled.source), "doubled": str(doubled.file)}
    arguments |= {"across": across / 100, "down": down / 100, "before": str(before), "after": str(after)}
    for _ in worker.run("look", arguments, Nothing):
        pass
    return before, after


def speed(update: Update) -> str:
    """Describe the share done, the throughput and the remaining seconds."""
    megapixels, seconds = update.progress.megapixels_per_second, update.progress.seconds_left
    return f"{update.share:.0%} · {megapixels:.1f} megapixels a second · {seconds:.0f} s left"


def options(choices: Choices, limits: Limits) -> Options:
    """Convert the page's choices to the upscaler's options."""
    return Options(
        quality=choices.quality,
        times=2 if choices.four_times else 1,
        flips=choices.flips,
        remove_location=choices.remove_location,
        limits=limits,
    )


def target_name(file: Path, choices: Choices) -> str:
    """Return the output name: photo.jpg -> photo_2x.jpg, in the chosen format, or PNG for unsupported suffixes."""
    original = file.suffix if file.suffix.lower() in BY_SUFFIX else ".png"
    return f"{file.stem}_{'4x' if choices.four_times else '2x'}{FORMATS.get(choices.format, original)}"


def free_name(folder: Path, name: str) -> Path:
    """Return an unused path for a file name: two photos may have the same name."""
    path, n = folder / name, 1
    while path.exists():
        n += 1
        path = folder / f"{Path(name).stem} ({n}){Path(name).suffix}"
    return path


def zip_of(done: Sequence[Doubled]) -> Path:
    """Write all results into a zip file, uncompressed, because pictures are compressed already."""
    path = done[0].file.parent / "doubled.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for doubled in done:
            archive.write(doubled.file, doubled.file.name)
    return path


def error_sentence(error: Exception, file: Path) -> str:
    """Describe a failure in one sentence for the page, with the name of the file but not its path."""
    if isinstance(error, FileNotFoundError):
        return f"{file.name} is deleted by now; choose it again."
    if isinstance(error, WorkerError):
        return f"{file.name} {error}."
    sentence = sentence_for(error) if isinstance(error, OSError) else str(error)
    return sentence.replace(str(file), file.name).replace(" or raise --max-pixels", "") + "."
