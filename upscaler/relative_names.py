"""Checks of untrusted relative paths, the same on every operating system."""

from pathlib import Path, PureWindowsPath

_MAX_BYTES = 1024  # of an S3 key


def stays_inside(name: str) -> bool:
    """Return True if `name` is a slash-separated path that stays inside any folder it is joined to.

    It has no drive, backslash, control character, empty part (so no leading or trailing slash), `.` or `..`.
    """
    return (
        len(name.encode(errors="replace")) <= _MAX_BYTES
        and name.isprintable()
        and "\\" not in name
        and not PureWindowsPath(name).drive
        and not {"", ".", ".."} & set(name.split("/"))
    )


def meets_link(folder: Path, name: str) -> bool:
    """Return True if `name`, or one of its parent folders below `folder`, is a symbolic link."""
    parts = name.split("/")
    return any(folder.joinpath(*parts[: n + 1]).is_symlink() for n in range(len(parts)))
