"""Upscale a batch of pictures: python -m batch_pipeline IN OUT. Installed as double-resolution batch."""

import sys
from collections.abc import Sequence

from batch_pipeline.config import BatchConfig
from upscaler.program import Command, run_command
from upscaler.signals import stopping


def main(arguments: Sequence[str] | None = None, program: str = "python -m batch_pipeline") -> None:
    """Run the command line."""
    run_command(program, COMMANDS, arguments)


def upscale(config: BatchConfig) -> None:
    """Upscale a batch, and exit with 1 if a picture failed."""
    from batch_pipeline.run import run  # brings tqdm and Pydantic, which --help needs not

    with stopping():
        sys.exit(run(config))


COMMANDS = (Command("", "upscale the pictures of a folder, a list or a bucket, with a report", BatchConfig, upscale),)

if __name__ == "__main__":
    main()
