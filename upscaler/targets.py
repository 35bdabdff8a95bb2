"""Input and output files of the command line."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from upscaler.errors import PictureError
from upscaler.pictures.formats import BY_SUFFIX


@dataclass(frozen=True)
class Task:
    """One picture file to upscale, from `source` to `target`."""

    source: Path
    target: Path


@dataclass(frozen=True)
class Naming:
    """Rule for output names.

    out: a picture's name, a folder, or None for the folder of the input. suffix: that of the chosen format, if any.
    ending: appended to the stem if `out` is None.
    """

    out: Path | None
    suffix: str | None
    ending: str  # "_2x", "_4x"

    def target(self, source: Path, top: Path, alone: bool) -> Path:
        """Return the output path; sub-folders of `top`, the input folder, are kept.

        alone: True if `source` is the only input, so that `out` may be a picture's name.
        """
        name = source.with_suffix(self.suffix) if self.suffix else source
        if self.out is None:
            return name.with_name(f"{name.stem}{self.ending}{name.suffix}")
        if alone and self.out.suffix.lower() in BY_SUFFIX:
            return self.out
        return self.out / name.relative_to(top)


def tasks(inputs: tuple[Path, ...], naming: Naming, recursive: bool) -> list[Task]:
    """List the upscaling tasks. In a folder, pictures that are results of other pictures there are skipped.

    Raises PictureError if no picture is found, a result would overwrite an input, or two results share a name.
    """
    found: list[Task] = []
    for given in inputs:
        if given.is_dir():
            found += _in_folder(given, naming, recursive)
        else:
            found.append(Task(given, naming.target(given, given.parent, alone=len(inputs) == 1)))
    _check(found)
    return found


def _in_folder(folder: Path, naming: Naming, recursive: bool) -> list[Task]:
    sources = sorted(_pictures(folder, recursive))
    candidates = [Task(source, naming.target(source, folder, alone=False)) for source in sources]
    results = {task.target.resolve() for task in candidates}
    pending = [task for task in candidates if task.source.resolve() not in results or task.target == task.source]
    if not pending:
        hint = "" if recursive else ", or add --recursive to search its sub-folders"
        raise PictureError(f"{folder} contains no pictures; give another folder{hint}")
    return pending


def _pictures(folder: Path, recursive: bool) -> Iterator[Path]:
    for path in folder.rglob("*") if recursive else folder.iterdir():
        if path.suffix.lower() in BY_SUFFIX and path.is_file() and not path.name.startswith("."):
            yield path


def _check(found: list[Task]) -> None:
    sources = {task.source.resolve() for task in found}
    targets: dict[Path, Path] = {}
    for task in found:
        target = task.target.resolve()
        if target in sources:
            raise PictureError(f"{task.target} is both an input and an output; give another -o")
        if target in targets:
            raise PictureError(
                f"{targets[target]} and {task.source} would both be written to {task.target}; upscale them separately"
            )
        targets[target] = task.source
