"""Upscale pictures: python -m upscaler IN [IN ...] [-o OUT]. Installed as double-resolution."""

import sys
from collections.abc import Sequence

from upscaler.config import UpscaleConfig
from upscaler.devices import DevicesConfig, show
from upscaler.program import Command, Program, run_command
from upscaler.signals import stopping


def main(arguments: Sequence[str] | None = None, program: str = "double-resolution") -> None:
    """Run the command line. A picture named as a program is reached as ./NAME."""
    run_command(program, COMMANDS, arguments)


def upscale(config: UpscaleConfig) -> None:
    """Upscale pictures, and exit with 1 if one failed."""
    with stopping():
        if config.piped:
            from upscaler.piped import run  # brings Pillow
        else:
            from upscaler.batch import run  # brings tqdm; neither is needed for --help
        sys.exit(run(config))


COMMANDS = (
    Command("", "double the width and height of pictures", UpscaleConfig, upscale),
    Command("devices", "list the CPU and the GPUs, with their measured speeds", DevicesConfig, show),
    Program("batch", "upscale a folder or a bucket on many cores or machines", "batch_pipeline.__main__"),
    Program("ui", "serve the web UI", "apps.ui.__main__"),
    Program("monitor", "serve the monitor of NASA's picture of the day", "apps.monitor.__main__"),
    Program("features", "make tile shards of Open Images", "feature_pipeline.__main__"),
    Program("train", "train networks, tune and score them", "training_pipeline.__main__"),
    Program("ensemble", "make one model of several networks, test and publish it", "ensemble_pipeline.__main__"),
)

if __name__ == "__main__":
    main()
