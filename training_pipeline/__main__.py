"""Train one network: python -m training_pipeline --shards shards/train_0 --validation shards/validation --out runs/0"""

import argparse
from pathlib import Path
from typing import Any

from training_pipeline import train
from training_pipeline.losses import LOSSES
from training_pipeline.network import SIZES
from training_pipeline.train import Config
from upscaler.command import one_sentence_errors


def main() -> None:
    """Run the command line."""
    arguments = vars(_parser().parse_args())
    resume = arguments.pop("resume")
    for name in ("shards", "validation"):
        arguments[name] = tuple(arguments[name])
    with one_sentence_errors():
        train.run(Config(**arguments), resume)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m training_pipeline", description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    add = parser.add_argument
    several: dict[str, Any] = {"type": Path, "action": "append", "required": True}
    add("--shards", help="a folder of tile shards to learn from; may be given several times", **several)
    add("--validation", help="tile shards of other pictures, to be scored on; likewise", **several)
    add("--out", type=Path, required=True, help="the run's folder")
    add("--resume", action="store_true", help="go on with the run in --out, if there is one")
    budget = parser.add_mutually_exclusive_group(required=True)
    budget.add_argument("--steps", type=int, help="train for so many steps: reproducible to the bit")
    budget.add_argument("--minutes", type=float, help="train for so long: not reproducible to the bit")
    add("--size", default=Config.size, help=f"of the network: {', '.join(SIZES)} or WIDTHxDEPTH")
    add("--init-from", help="start from the weights of this artifact")
    add("--share", type=float, default=Config.share, help="of the training pictures, 0 to 1")
    add("--batch", type=int, default=Config.batch, help="crops a step")
    add("--crop", type=int, default=Config.crop, help="pixels a side of the small crop, 128 at most")
    add("--learning-rate", type=float, default=Config.learning_rate, help="at its peak")
    add("--weight-decay", type=float, default=Config.weight_decay, help="of AdamW")
    add("--dropout", type=float, default=Config.dropout, help="of channels before the last layer")
    add("--branches", action=argparse.BooleanOptionalAction, default=Config.branches, help="beside each 3x3")
    add("--average", type=float, default=Config.average, help="decay of the moving average of the weights")
    add("--clip", type=float, default=Config.clip, help="largest norm of the gradient")
    add("--loss", choices=list(LOSSES), default=Config.loss, help="what is made small")
    add("--seed", type=int, default=Config.seed, help="of all that is drawn by lot")
    add("--threads", type=int, default=Config.threads, help="one and two round differently")
    return parser


if __name__ == "__main__":
    main()
