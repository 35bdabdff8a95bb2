"""The model card: description, training and evaluation of a model, in Markdown with the Hub's front matter."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from string import digits
from typing import Any

from huggingface_hub import EvalResult, ModelCardData

from ensemble_pipeline import card_training
from training_pipeline import dataset, photo_credits
from training_pipeline.dataset import Dataset
from training_pipeline.markdown import literal
from upscaler.model.artifact import PICTURE, Artifact, ModelConfig
from upscaler.model.learned import Learned

_MEASURES = {"psnr_y": ("psnr", "PSNR (Y), dB"), "ssim_y": ("ssim", "SSIM (Y)"), "psnr_rgb": ("psnr", "PSNR (RGB), dB")}

_USE = """## Use
This is not a transformers or diffusers model. The networks are plain convolutions; the program around them tiles an
image and keeps its transparency, colour profile and metadata. A repository on the Hub also has the network as ONNX, in
`model.onnx`, for other programs.

```sh
python -m upscaler photo.jpg -o photo_2x.png --model {name}
```
"""
_LIMITS = """## Limits
- The scale is 2x. Upscaling the result again gives 4x, with less detail than a photo of that size.
- The training inputs are photos downscaled by bicubic interpolation, with few drawings and little text. {degradations}
- It is trained for PSNR: where the input is ambiguous, the output is smooth rather than textured. It cannot recover
  what the input does not show, such as a number plate or a face.
"""
_CLEAN_ONLY = "The network\n  takes noise and strong JPEG artefacts for detail and upscales them."
_CLEAN_AND_JPEG = """The network
  takes noise for detail and upscales it, as it does JPEG artefacts in files of a lossless format."""


def model_card(
    name: str,
    config: ModelConfig,
    measured: dict[str, Any],
    folder: Path,
    jpeg_model: Artifact | None,
    learned: Learned,
) -> str:
    """Return the card of a model. name: as `--model` takes it. folder: the model's, with its DATA.md if it has one.

    measured: the content of metrics.json, where `evaluate` writes "tests" and "picture". jpeg_model: the model's JPEG
    network, if it has one. learned: the pictures that the other networks learned from.
    """
    title = name.rpartition("/")[2]
    data = dataset.of(folder, measured, jpeg_model)
    described = description(config, measured)
    parts = [
        f"---\n{metadata(title, config, measured, data).to_yaml()}\n---",
        f"# {title}\n\nDoubles the width and height of photos: {described}.\n\n{_USE.format(name=name)}",
        card_training.section(config, measured, data),
        *card_training.of_jpeg_model(config, measured, jpeg_model, data),
        *_tests(measured),
        *_samples(measured),
        _LIMITS.format(degradations=_CLEAN_AND_JPEG if jpeg_model else _CLEAN_ONLY),
        data.section + photo_credits.section(folder, learned | jpeg_model.learned() if jpeg_model else learned),
        "## Licence\nApache-2.0, including the weights.\n",
    ]
    return "\n".join(parts)


def of(model: Artifact, name: str) -> str:
    """Return the card of an existing model under the given name."""
    return model_card(name, model.config, model.metrics, model.folder, model.jpeg_model, model.learned())


def metadata(name: str, config: ModelConfig, measured: dict[str, Any], data: Dataset) -> ModelCardData:
    """Return the card's front matter, with the evaluation as the Hub's model-index."""
    return ModelCardData(
        license="apache-2.0",
        library_name="double-resolution",
        pipeline_tag="image-to-image",
        tags=["super-resolution", "onnx", "openvino", "ncnn", "cpu", f"combination:{config.combination}"],
        datasets=list(data.tags) or None,
        metrics=["psnr", "ssim"],
        model_name=name,
        eval_results=list(_results(measured)) or None,
    )


def test_table(rows: Sequence[dict[str, Any]]) -> str:
    """Format the rows of an evaluation (name, score and cost) as a Markdown table."""
    head = "| | PSNR Y, dB | SSIM Y | PSNR RGB, dB | cross-entropy above the floor | output MP/s | peak memory, MB |"
    lines = [head, "|---|---|---|---|---|---|---|"]
    for row in rows:
        score, cost = row["score"], row["cost"]
        lines.append(
            f"| {literal(row['name'])} | {score['psnr_y']:.2f} | {score['ssim_y']:.4f} | {score['psnr_rgb']:.2f} | "
            f"{score['cross_entropy_above_floor']:.2%} | {cost['megapixels_per_second']:.2f} | "
            f"{cost['memory'] / 1e6:.0f} |"
        )
    return "\n".join(lines) + "\n"


def description(config: ModelConfig, measured: dict[str, Any]) -> str:
    """Describe the networks of a model and how they are combined. measured: the content of metrics.json."""
    size = config.architecture
    plural = "s" if size.depth > 1 else ""
    layers = f"layer{plural}"
    if size.block != "plain":
        layers = f"{size.block.rstrip(digits)} block{plural} of {size.trunk_radius // size.depth} convolutions"
    combination = card_training.combination(config, measured)
    return f"{combination}, {size.width} channels and {size.depth} {layers} between the first and the last"


def _tests(measured: dict[str, Any]) -> Iterator[str]:
    if tests := measured.get("tests"):
        yield (
            "## Evaluation\nMeans over images downscaled by bicubic interpolation and upscaled again, without a border "
            "of two pixels; throughput and peak memory for an input of 512x512 pixels on the test machine.\n"
        )
    for name, test in (tests or {}).items():
        unknown = "" if test.get("recorded") else "; what the model learned from is not recorded"
        tiles = f"{test['tiles']} tiles of " if "tiles" in test else ""  # older evaluations are means over tiles
        yield f"{literal(name)} ({tiles}{test['pictures']} pictures{unknown}):\n\n{test_table(test['rows'])}"


def _samples(measured: dict[str, Any]) -> Iterator[str]:
    if credits := measured.get("picture"):
        listed = "; ".join(map(literal, credits))
        yield f"![Bicubic, model, ground truth]({PICTURE})\n\nBicubic, model, ground truth. From the top: {listed}.\n"


def _results(measured: dict[str, Any]) -> Iterator[EvalResult]:
    """Yield each measure of the model's own row of each test set."""
    for test_name, test in measured.get("tests", {}).items():
        own = next(row for row in test["rows"] if row["name"] == test["model"])
        for measure, (metric, label) in _MEASURES.items():
            yield EvalResult(
                task_type="image-to-image",
                task_name="2x super-resolution",
                dataset_type=test_name.lower(),
                dataset_name=test_name,
                metric_type=metric,
                metric_name=label,
                metric_value=round(own["score"][measure], 4),
            )
