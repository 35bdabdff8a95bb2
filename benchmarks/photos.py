"""Photos for benchmarks: those in the folder PHOTOS (environment), else the web UI's samples."""

import os
from pathlib import Path

from upscaler.errors import OptionError

SAMPLES = Path(__file__).parents[1] / "apps/ui/samples"


def photos() -> list[bytes]:
    """Return the content of each JPEG. Raises OptionError if there is none."""
    folder = Path(os.environ.get("PHOTOS", SAMPLES))
    found = sorted(folder.glob("*.jpg"))
    if not found:
        raise OptionError(f"{folder} has no JPEGs (*.jpg); set PHOTOS to a folder that has")
    return [path.read_bytes() for path in found]
