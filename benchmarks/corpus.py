"""Robustness: every file of a folder once through the command line, within limits of time and memory.

Point it at a collection of odd pictures, such as Pillow's or libvips' test images or a fuzzing corpus. A file that no
decoder may read should be refused in one sentence; a crash or a hang is a fault.
"""

import os
import re
import resource
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from tqdm import tqdm

from upscaler.errors import OptionError
from upscaler.options import option

SECONDS = 60.0
MEMORY = 3_000_000_000  # bytes of data
AT_ONCE = 2  # files

_ERROR = "error: "


class Outcome(StrEnum):
    """End of one file."""

    UPSCALED = "upscaled"
    REFUSED = "refused"
    CRASHED = "crashed"
    HUNG = "hung"


@dataclass(frozen=True)
class Tried:
    """A file, and the way it ended. reason: the sentence that refused it, or the last line of a crash."""

    file: Path
    outcome: Outcome
    reason: str = ""


@dataclass(frozen=True)
class CorpusConfig:
    """The folder of a corpus."""

    folder: Path = option("folder of files, read with all folders in it", positional=True)


def run(config: CorpusConfig) -> None:
    """Print the counts of each outcome and reason, and the files that crashed or hung.

    Raises OptionError if there is no file.
    """
    files = sorted(path for path in config.folder.resolve().rglob("*") if path.is_file())
    if not files:
        raise OptionError(f"{config.folder} is no folder of files; give one")
    with tempfile.TemporaryDirectory() as scratch, ThreadPoolExecutor(AT_ONCE) as threads:
        tries = list(tqdm(threads.map(lambda file: upscale(file, Path(scratch)), files), total=len(files), unit="file"))
    print("\n".join(report(tries)))


def upscale(file: Path, scratch: Path) -> Tried:
    """Upscale one file in a process of its own."""
    with tempfile.TemporaryDirectory(dir=scratch) as out:
        command = [sys.executable, "-m", "upscaler", str(file), "-o", f"{out}/upscaled.png"]
        try:
            done = subprocess.run(
                command,
                capture_output=True,
                timeout=SECONDS,
                check=False,
                preexec_fn=_limit,
                cwd=Path(__file__).parents[1],
            )
        except subprocess.TimeoutExpired:
            return Tried(file, Outcome.HUNG)
        return Tried(file, *ending(done.returncode, done.stderr.decode(errors="replace"), str(file)))


def ending(returned: int, stderr: str, name: str) -> tuple[Outcome, str]:
    """Tell a refusal in one sentence from a crash; the reason leaves out the file's name and all numbers."""
    if returned == 0:
        return Outcome.UPSCALED, ""
    lines = [line for line in stderr.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith(_ERROR)]
    if returned == 1 and len(errors) == 1 and not any(line.startswith("Traceback") for line in lines):
        return Outcome.REFUSED, re.sub(r"\d[\d.,]*", "N", errors[0].removeprefix(_ERROR).replace(name, "FILE"))
    return Outcome.CRASHED, lines[-1] if lines else f"exit code {returned}"


def report(tries: Sequence[Tried]) -> Iterator[str]:
    """Yield the lines of the table, then the files that crashed or hung."""
    yield "| outcome | files | reason |"
    yield "|---|---|---|"
    for (outcome, reason), count in Counter((tried.outcome, tried.reason) for tried in tries).most_common():
        yield f"| {outcome} | {count} | {reason} |"
    for tried in tries:
        if tried.outcome in (Outcome.CRASHED, Outcome.HUNG):
            yield f"{tried.outcome}: {tried.file}"


def _limit() -> None:
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))
    os.nice(5)
