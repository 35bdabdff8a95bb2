"""The page cli.md, the --help of each command: python docs/write_cli.py."""

import importlib
import io
import os
import re
import sys
from contextlib import redirect_stdout
from pathlib import Path
from unittest.mock import patch

TARGET = Path(__file__).parent / "cli.md"
COLUMNS = "100"  # of a line of help

COMMANDS = {
    "upscaler": [""],
    "feature_pipeline": ["", "verify", "show"],
    "training_pipeline": ["", "plan", "tune", "score", "final-test"],
    "ensemble_pipeline": ["", "combine", "evaluate", "final-test", "publish", "build"],
    "apps.ui": [""],
    "apps.monitor": ["", "backfill"],
    "apps.push": [""],
    "benchmarks": [""],
}

HEAD = """# The commands
The `--help` of each command. This page is written by `python docs/write_cli.py`.
"""


def text() -> str:
    """Return the page."""
    return HEAD + "".join(
        f"\n## `python -m {' '.join([module, command]).strip()}`\n```\n{help_of(module, command)}```\n"
        for module, commands in COMMANDS.items()
        for command in commands
    )


def help_of(module: str, command: str) -> str:
    """Return the help of a command, without the number of this machine's cores."""
    program = module if module == "apps.push" else f"{module}.__main__"
    output = io.StringIO()
    given = [module, *command.split(), "--help"]
    with patch.object(sys, "argv", given), patch.dict(os.environ, {"COLUMNS": COLUMNS}), redirect_stdout(output):
        try:
            importlib.import_module(program).main()
        except SystemExit as ended:
            if ended.code:
                raise
    return re.sub(r"(default: the cores), \d+", r"\1", output.getvalue())


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))
    TARGET.write_text(text(), encoding="utf-8")
    print(TARGET)
