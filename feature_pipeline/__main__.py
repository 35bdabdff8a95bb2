"""Make tile shards of Open Images: python -m feature_pipeline --part 0 --out shards"""

import sys

from feature_pipeline import tasks, verify
from feature_pipeline.arguments import ShowConfig, VerifyConfig, parse
from upscaler.command import one_sentence_errors


def main() -> None:
    """Run the command line."""
    with one_sentence_errors():
        config = parse(sys.argv[1:])
        match config:
            case VerifyConfig():
                verify.run(config.folder)
            case ShowConfig():
                from feature_pipeline import sheet  # matplotlib takes half a second, which making shards need not wait

                sheet.run(config.folder, config.out)
            case _:
                tasks.run(*config)


if __name__ == "__main__":
    main()
