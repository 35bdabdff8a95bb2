"""Write cli.md, the --help of every command: python docs/write_cli.py"""

import importlib
import io
import os
import re
import sys
from contextlib import redirect_stdout, suppress
from pathlib import Path
from types import ModuleType
from unittest.mock import patch

TARGET = Path(__file__).parent / "cli.md"
ENVIRONMENT = {"COLUMNS": "100", "DOUBLE_RESOLUTION_MODEL": ""}  # width of the help, and no other default

# The modules by what they are called as
PROGRAMS = {
    "double-resolution": "upscaler.__main__",
    "python -m batch_pipeline": "batch_pipeline.__main__",
    "python -m feature_pipeline": "feature_pipeline.__main__",
    "python -m training_pipeline": "training_pipeline.__main__",
    "python -m ensemble_pipeline": "ensemble_pipeline.__main__",
    "python -m apps.ui": "apps.ui.__main__",
    "python -m apps.monitor": "apps.monitor.__main__",
    "python -m apps.push": "apps.push",
    "python -m benchmarks": "benchmarks.__main__",
}

HEAD = """# The commands
The `--help` of every command, written by `python docs/write_cli.py`. `double-resolution` is `python -m upscaler`;
`double-resolution batch`, `ui`, `monitor`, `features`, `train` and `ensemble` are `python -m batch_pipeline`,
`apps.ui`, `apps.monitor`, `feature_pipeline`, `training_pipeline` and `ensemble_pipeline`. A picture named as one of
them is reached as `./ui`.

`--config FILE` repeats a command with the options that it saved beside its result, but for those given anew: `run.json`
in a run's folder, `features.json` beside shards, `combine.json` and `build.json` in a model's folder.
"""


def text() -> str:
    """Return the page."""
    return HEAD + "".join(
        f"\n## `{' '.join([program, *command])}`\n```\n{help_of(module, program, command)}```\n"
        for program, name in PROGRAMS.items()
        for module in [importlib.import_module(name)]
        for command in commands(module)
    )


def commands(module: ModuleType) -> list[list[str]]:
    """Return the arguments that lead to each help of a program: its own, and that of each command."""
    return [[], *([command.name] for command in module.COMMANDS if command.name and hasattr(command, "config"))]


def help_of(module: ModuleType, program: str, command: list[str]) -> str:
    """Return the help of a command, without the number of this machine's cores."""
    written = io.StringIO()
    with patch.dict(os.environ, ENVIRONMENT), redirect_stdout(written), suppress(SystemExit):
        module.main([*command, "--help"], program)
    found = written.getvalue()
    return (
        re.sub(r"worker processes \(default: \d+\)", "worker processes (default: the cores)", found)
        if not command
        else found
    )


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))
    TARGET.write_text(text(), encoding="utf-8")
    print(TARGET)
