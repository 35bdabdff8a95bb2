"""Names of files that others chose: which of them lie inside a folder, on every system."""

from pathlib import Path, PureWindowsPath

_MAX_BYTES = 1024  # of an S3 key


def is_inside(name: str) -> bool:
    """Return True if `name` is a path with slashes that stays within any folder it is put in.

    It has no drive, backslash, control character, empty part (so no slash at an end), `.` or `..`.
    """
    return (
        len(name.encode(errors="replace")) <= _MAX_BYTES
        and name.isprintable()
        and "\\" not in name
        and not PureWindowsPath(name).drive
        and not {"", ".", ".."} & set(name.split("/"))
    )


def meets_link(folder: Path, name: str) -> bool:
    """Return True if `name`, or a folder on the way to it below `folder`, is a link."""
    parts = name.split("/")
    return any(folder.joinpath(*parts[: n + 1]).is_symlink() for n in range(len(parts)))
