"""Control groups of Linux that hold this process; a limit of each applies."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

_ROOT = Path("/sys/fs/cgroup")
_OWN_GROUPS = Path("/proc/self/cgroup")


def folders(controller: str = "") -> Iterator[Path]:
    """Yield the folders of this process's group and those around it; some may not exist.

    controller: of version 1, such as "memory"; "" for version 2. In a container, the root is the process's own group.
    """
    root = _ROOT / controller
    yield root
    with suppress(OSError):
        for line in _OWN_GROUPS.read_text(encoding="utf-8").splitlines():
            _, controllers, group = line.split(":", 2)
            if controller in controllers.split(","):
                parts = Path(group).parts[1:]
                yield from (root.joinpath(*parts[:n]) for n in range(1, len(parts) + 1))
