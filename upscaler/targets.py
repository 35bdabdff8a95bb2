"""Input and output files of the command line."""

import os
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from upscaler.command import sentence_for
from upscaler.errors import PictureError
from upscaler.links import followed, leads_nowhere
from upscaler.naming import ENDINGS, Naming, marked_stem
from upscaler.pictures.formats import BY_SUFFIX
from upscaler.pictures.signatures import LENGTH, unreadable

_NO_PICTURE = (unreadable(b""), unreadable(b"%PDF"))  # what is said of unknown files, and of documents and drawings

Pictures = Mapping[Path, Path]  # with the input folder that each was found in


@dataclass(frozen=True)
class Task:
    """One picture file to upscale, from `source` to `target`."""

    source: Path
    target: Path


@dataclass
class Found:
    """Content of the inputs.

    alone: True if there is one input, and it is no folder. refused: sentences on inputs that have no result or no
    place for one. results: number of results of earlier runs that are not the targets of this one. others: number of
    files in folders that are no pictures.
    """

    alone: bool
    tasks: list[Task] = field(default_factory=list)
    refused: dict[Path, str] = field(default_factory=dict)
    results: int = 0
    others: int = 0


def find(inputs: tuple[Path, ...], naming: Naming, recursive: bool) -> Found:
    """List the upscaling tasks. Results of earlier runs are not upscaled again, unless one is the only input.

    Raises PictureError if the output's name does not fit, or if there is nothing to upscale.
    """
    alone = len(inputs) == 1 and not inputs[0].is_dir()
    naming.check(alone)
    found, pictures = Found(alone), dict[Path, Path]()
    for given in inputs:
        if given.is_dir():
            pictures |= _in_folder(given, naming, recursive, found)
        elif given.is_file() or not given.exists():  # of a missing one, reading complains
            pictures[given] = given.parent
        else:
            found.refused[given] = f"{given} is a pipe or a device, not a file; redirect it, as in - < {given}"
    results = set() if alone else _results(pictures, naming)
    _add_tasks(found, {path: top for path, top in pictures.items() if path not in results}, naming, alone)
    if not found.tasks:
        raise PictureError(next(iter(found.refused.values())))
    found.results = len(results - {task.target for task in found.tasks})
    return found


def looks_like_picture(path: Path) -> bool:
    """Return True for a file with the suffix of a supported format, or the first bytes of any picture's.

    Also for one that cannot be opened: of it, reading complains.
    """
    if path.suffix.lower() in BY_SUFFIX:
        return True
    try:
        with path.open("rb") as file:
            return starts_like_picture(file.read(LENGTH))
    except OSError:
        return True


def starts_like_picture(start: bytes) -> bool:
    """Return True for the first bytes of any picture, also of one that cannot be read."""
    return unreadable(start) not in _NO_PICTURE


def _in_folder(folder: Path, naming: Naming, recursive: bool, found: Found) -> Pictures:
    """Return the pictures in a folder, except those in a folder of results inside it; count the other files."""
    out = naming.folder and followed(naming.folder)
    results = out if out and followed(folder) in out.parents else None
    pictures = {}
    for path in sorted(_files(folder, recursive, found)):
        if results and results in followed(path).parents:
            continue
        if looks_like_picture(path):
            pictures[path] = folder
        else:
            found.others += 1
    if not pictures and folder not in found.refused:
        hint = "" if recursive else ", or add --recursive to search its sub-folders"
        found.refused[folder] = f"{folder} contains no pictures; give another folder{hint}"
    return pictures


def _files(folder: Path, recursive: bool, found: Found) -> Iterator[Path]:
    """Yield the files in a folder; refuse those folders that cannot be listed."""
    folders = [folder]
    while folders:
        here = folders.pop()
        try:
            with os.scandir(here) as listed:
                entries = [entry for entry in listed if not entry.name.startswith(".")]
        except OSError as error:
            found.refused[here] = sentence_for(error)
            continue
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                folders += [here / entry.name] if recursive else []
            elif _is_file(entry):
                yield here / entry.name


def _is_file(entry: os.DirEntry[str]) -> bool:
    """Return True for a file, and for a link named as a picture that leads to none: of it, reading complains."""
    if leads_nowhere(entry):
        return Path(entry.name).suffix.lower() in BY_SUFFIX
    try:
        return entry.is_file()
    except OSError:  # a link that may not be followed
        return True


def _results(pictures: Pictures, naming: Naming) -> set[Path]:
    """Return the pictures that are results of others: by their names, with any --times, or as targets of this run."""
    stems = {
        path.with_name(f"{stem}{ending}")
        for path in pictures
        for stem in (path.stem, marked_stem(path))
        for ending in ENDINGS
    }
    targets = {
        (target, top)
        for path, top in pictures.items()
        for target in (naming.target(path, top), naming.target(path, top, marked=True))
        if target != path
    }
    return {path for path, top in pictures.items() if path.with_suffix("") in stems or (path, top) in targets}


def _add_tasks(found: Found, pictures: Pictures, naming: Naming, alone: bool) -> None:
    """Add a task for each picture; those that would share a name get marked ones, and what still clashes is refused."""
    plain = {path: naming.target(path, top, alone) for path, top in pictures.items()}
    shared = Counter(plain.values())
    sources = {followed(path) for path in pictures}
    taken: dict[Path, Path] = {}
    for path, top in pictures.items():
        target = naming.target(path, top, marked=True) if shared[plain[path]] > 1 else plain[path]
        place = followed(target)
        if place in sources:
            found.refused[path] = f"{target} is both an input and an output; give another -o"
        elif place in taken:
            both = f"{taken[place]} and {path}"
            found.refused[path] = f"{both} would both be written to {target}; upscale them separately"
        else:
            taken[place] = path
            found.tasks.append(Task(path, target))
