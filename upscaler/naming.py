"""Names of the results of the command line."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from upscaler.errors import PictureError
from upscaler.pictures.formats import BY_SUFFIX, unknown_suffix

ENDINGS = ("_2x", "_4x", "_8x")  # by the number of doublings


@dataclass(frozen=True)
class Naming:
    """Rule for output names.

    out: a picture's name or a folder, as given, or None for the folder of the input. suffix: that of the chosen format,
    if any. ending: one of ENDINGS, appended to the stem if `out` is None.
    """

    out: str | None
    suffix: str | None
    ending: str

    @classmethod
    def of(cls, out: str | None, format: str | None, times: int) -> Self:
        """Return the rule for the options `out`, `format` (a suffix without its dot, or None) and `times`."""
        return cls(out, f".{format}" if format else None, ENDINGS[times - 1])

    @property
    def folder(self) -> Path | None:
        """The folder that `out` names: one that exists, or a name without suffix or with a separator at its end."""
        if self.out is None:
            return None
        path, separators = Path(self.out), tuple(filter(None, (os.sep, os.altsep)))
        return path if not path.suffix or path.is_dir() or self.out.endswith(separators) else None

    def check(self, alone: bool) -> None:
        """Raise PictureError if `out` is of an unknown or another format, or names one picture for several inputs.

        Also if it is a file that should be a folder. alone: True if there is one input, and it is no folder.
        """
        if self.out is None:
            return
        if folder := self.folder:
            if folder.is_file():
                raise PictureError(f"{folder} is a file, not a folder; give another -o")
            return
        format = BY_SUFFIX.get(Path(self.out).suffix.lower())
        if alone and not format:
            raise PictureError(f"{unknown_suffix(self.out)}, or end the name of a folder with {os.sep}")
        if format and not alone:
            raise PictureError(f"{self.out} names one picture; to name a folder, end it with {os.sep}")
        if format and self.suffix and BY_SUFFIX[self.suffix] is not format:
            raise PictureError(f"-o {self.out} and --format {self.suffix[1:]} contradict each other; leave out one")

    def target(self, source: Path, top: Path, alone: bool = False, marked: bool = False) -> Path:
        """Return the output path; sub-folders of `top`, the input folder, are kept.

        alone: True if there is one input, so that `out` may be a picture's name. marked: include the suffix of
        `source`, for pictures that would share a name without it.
        """
        if alone and self.out is not None and not self.folder:
            return Path(self.out)
        stem = marked_stem(source) if marked else source.stem
        suffix = self.suffix or (source.suffix if source.suffix.lower() in BY_SUFFIX else ".png")
        if self.out is None:
            return source.with_name(f"{stem}{self.ending}{suffix}")
        return Path(self.out) / source.relative_to(top).with_name(f"{stem}{suffix}")


def marked_stem(source: Path) -> str:
    """Return a stem that names the suffix, too: photo.jpg -> "photo (jpg)"."""
    return f"{source.stem} ({source.suffix[1:]})" if source.suffix else source.stem
