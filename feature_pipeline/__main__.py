"""Make tile shards of Open Images: python -m feature_pipeline --part 0 --out shards"""

from collections.abc import Sequence

from feature_pipeline.config import MakeConfig, ShowConfig, VerifyConfig
from upscaler import saved
from upscaler.program import Command, run_command

RECORD = "features.json"


def main(arguments: Sequence[str] | None = None, program: str = "python -m feature_pipeline") -> None:
    """Run the command line."""
    run_command(program, COMMANDS, arguments)


# Each command imports what it needs: boto3 and matplotlib take their time, and come with the extra `training` only


def make(config: MakeConfig) -> None:
    """Make shards."""
    from feature_pipeline import tasks

    tasks.run(config.features, config.engine)
    if config.engine.storage is None:
        saved.write(config.features.out / RECORD, config)


def verify(config: VerifyConfig) -> None:
    """Check shards."""
    from feature_pipeline import verify

    verify.run(config.folder)


def show(config: ShowConfig) -> None:
    """Draw a contact sheet."""
    from feature_pipeline import sheet

    sheet.run(config.folder, config.out)


COMMANDS = (
    Command("", "make tile shards of Open Images", MakeConfig, make, repeatable=True),
    Command("verify", "check shards against their manifests", VerifyConfig, verify),
    Command("show", "draw tile pairs of a part, and what was rejected", ShowConfig, show),
)

if __name__ == "__main__":
    main()
