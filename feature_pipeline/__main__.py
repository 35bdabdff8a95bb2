"""Make tile shards of Open Images: python -m feature_pipeline --part 0 --out shards"""

import argparse
from pathlib import Path

from feature_pipeline import pipeline, source
from feature_pipeline.pipeline import Config
from upscaler.command import one_sentence_errors


def main() -> None:
    """Run the command line."""
    with one_sentence_errors():
        pipeline.run(_parse())


def _parse() -> Config:
    parser = argparse.ArgumentParser(prog="python -m feature_pipeline", description=__doc__)
    parser.add_argument(
        "--part",
        action="append",
        required=True,
        choices=[*source.TRAINING_DIGITS, "validation", "test", "all"],
        help="0 to 9, a to f, validation, test, or all of them; may be given several times",
    )
    parser.add_argument("--out", type=Path, required=True, help="folder for the shards, one folder in it for each part")
    parser.add_argument("--images", type=int, help="take only the first IMAGES pictures of each part")
    parser.add_argument("--tiles-per-image", type=int, default=4, help="at most (default: %(default)s)")
    parser.add_argument("--workers", type=int, default=2, help="processes (default: %(default)s)")
    parser.add_argument("--endpoint-url", help="an S3 server that holds a copy of the bucket")
    given = parser.parse_args()
    return Config(
        parts=source.part_names(given.part),
        out=given.out,
        endpoint_url=given.endpoint_url,
        images=given.images,
        tiles_per_image=given.tiles_per_image,
        workers=given.workers,
    )


if __name__ == "__main__":
    main()
