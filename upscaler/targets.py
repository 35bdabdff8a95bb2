"""Which files are doubled, and where to: pictures, folders of them, and names for what comes out."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from upscaler.errors import PictureError
from upscaler.pictures.formats import BY_SUFFIX


@dataclass(frozen=True)
class Task:
    """One picture to double: from `source` into `target`."""

    source: Path
    target: Path


@dataclass(frozen=True)
class Naming:
    """Where results go. out: a picture, a folder, or None for beside the input. suffix: of the format, if chosen."""

    out: Path | None
    suffix: str | None
    ending: str  # "_2x", "_4x"

    def target(self, source: Path, top: Path, alone: bool) -> Path:
        """The result's path; `top` is the folder that was given, of which the tree is kept, or the picture's own.

        alone: whether one picture was given, so that `out` may be a picture's name.
        """
        name = source.with_suffix(self.suffix) if self.suffix else source
        if self.out is None:
            return name.with_name(f"{name.stem}{self.ending}{name.suffix}")
        if alone and self.out.suffix.lower() in BY_SUFFIX:
            return self.out
        return self.out / name.relative_to(top)


def tasks(inputs: tuple[Path, ...], naming: Naming, recursive: bool) -> list[Task]:
    """All that is to be done. What lies in a folder and is itself a result of another picture there is left out.

    Raises PictureError if nothing is found, a result would overwrite an input, or two would have one name.
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
    every = [Task(source, naming.target(source, folder, alone=False)) for source in sources]
    results = {task.target.resolve() for task in every}
    kept = [task for task in every if task.source.resolve() not in results or task.target == task.source]
    if not kept:
        deeper = "" if recursive else ", or --recursive for the folders in it"
        raise PictureError(f"{folder} holds no picture; give another folder{deeper}")
    return kept


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
            raise PictureError(f"{task.target} is an input as well; give another -o")
        if target in targets:
            raise PictureError(
                f"{targets[target]} and {task.source} would both become {task.target}; double them one by one"
            )
        targets[target] = task.source
