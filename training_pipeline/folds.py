"""Cross-validation: one run for each fold, scored on the fold's pictures."""

import json
import statistics
from dataclasses import replace

from training_pipeline import ranks, train
from training_pipeline.config import TrainingConfig
from upscaler.atomic import write_text

RESULT = "folds.json"
MEASURES = ("psnr_y", "ssim_y", "psnr_rgb", "cross_entropy_above_floor")


def run(config: TrainingConfig, folds: int, resume: bool, overwrite: bool = False) -> None:
    """Train and score each fold in its own folder; write mean and standard deviation. Raises TrainingError.

    Of processes that share the runs, the first one writes its scores; those of others differ by rounding.
    """
    scores = [_score(config, k, folds, resume, overwrite) for k in range(folds)]
    if not ranks.is_first():
        return
    over_all = summary(scores)
    result = {"folds": folds, "configuration": config.as_json(), "scores": scores, **over_all}
    write_text(config.out / RESULT, json.dumps(result, indent=2) + "\n")
    print(f"{folds} folds: PSNR (Y) {over_all['mean']['psnr_y']:.2f} ± {over_all['spread']['psnr_y']:.2f} dB")


def summary(scores: list[dict[str, float]]) -> dict[str, dict[str, float]]:
    """Return the mean and the spread, the sample standard deviation, of each measure."""
    columns = {name: [score[name] for score in scores] for name in MEASURES}
    return {
        "mean": {name: statistics.fmean(column) for name, column in columns.items()},
        "spread": {name: statistics.stdev(column) for name, column in columns.items()},
    }


def _score(config: TrainingConfig, k: int, folds: int, resume: bool, overwrite: bool) -> dict[str, float]:
    fold = replace(config, out=config.out / f"fold-{k}", fold=(k, folds))
    validation = train.run(fold, resume, overwrite=overwrite).metrics["validation"]
    return {name: validation[name] for name in MEASURES}
